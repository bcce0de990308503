// `npm run fake-whatsapp`: a WhatsApp to try Rentak with, without a phone and without anybody who could be bothered. It keeps its linked devices in
// `.rentak/fake-whatsapp.json`, so that it can be stopped and started.

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { runCommand } from "./commands.ts";
import { createFakeWhatsapp, type Entry, type FakeWhatsapp } from "./fake.ts";
import { createStateFile } from "./state-file.ts";

const USAGE = `Usage: npm run fake-whatsapp -- [options]
  --port NUMBER         where it listens on 127.0.0.1; 4010, and 0 for any that is free
  --state FILE          what it remembers when it is started again; .rentak/fake-whatsapp.json
  --forgetful           remembers nothing
  --log FILE            writes down all that it sees, a line of JSON each
  --no-decrypt          leaves messages encrypted, which is faster
  --read-after MS       people read each message after so long
  --reply-after MS      people answer each message after so long
  --reply TEXT          what they answer then
  --quiet               does not show what is sent and written`;

function readOptions() {
  try {
    const { values } = parseArgs({
      allowNegative: true,
      options: {
        port: { type: "string", default: "4010" },
        state: { type: "string", default: ".rentak/fake-whatsapp.json" },
        forgetful: { type: "boolean", default: false },
        log: { type: "string" },
        decrypt: { type: "boolean", default: true },
        "read-after": { type: "string" },
        "reply-after": { type: "string" },
        reply: { type: "string", default: "Tell me more" },
        quiet: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (!values.help) return values;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
  console.log(USAGE);
  return process.exit(1);
}

/** A benchmark of ten minutes sends more than a process can keep. */
const REMEMBERED = 200_000;

const options = readOptions();
let fake: FakeWhatsapp | undefined;
const file = createStateFile(options.state, () => fake?.state());
const state = options.forgetful ? undefined : await file.read();
fake = await createFakeWhatsapp({
  port: Number(options.port),
  decrypt: options.decrypt,
  remembered: REMEMBERED,
  changed: options.forgetful ? () => {} : file.changed,
  ...(options.log !== undefined && { logFile: options.log }),
  ...(state && { state }),
});
const { "read-after": readAfter, "reply-after": replyAfter } = options;
if (readAfter !== undefined) fake.behave({ readAfterMs: Number(readAfter) });
if (replyAfter !== undefined) fake.behave({ reply: { text: options.reply, afterMs: Number(replyAfter), from: "pn" } });
if (!options.forgetful) await file.save();
if (!options.quiet) fake.witness.follow((entry) => show(entry));

console.log(`A WhatsApp that is none. Start Rentak with these settings, then pair a device (type help here):
WHATSAPP_URL=${fake.url} WHATSAPP_ROOT_KEY=${fake.rootKey}`);
const lines = createInterface({ input: process.stdin, ...(process.stdin.isTTY && { output: process.stdout, prompt: "" }) });
lines.on("line", (line) => void answer(line));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "disconnect"]) process.once(signal, () => void stop());

function show(entry: Entry): void {
  if (entry.kind === "message") {
    const refused = entry.error === null ? "" : ` (refused: ${entry.error})`;
    console.log(`${entry.account} to ${entry.phone}: ${entry.text ?? `(${entry.undecrypted})`}${refused}`);
  }
  if (entry.kind === "reply") console.log(`${entry.phone} to ${entry.account}: ${entry.text}`);
  if (entry.kind === "code shown") console.log(`a device shows a code for ${entry.account}: code ABCD1234`);
}

async function answer(line: string): Promise<void> {
  if (!fake) return;
  const said = await runCommand(fake, line).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
  if (said !== "") console.log(said);
}

async function stop(): Promise<void> {
  lines.close();
  if (!options.forgetful) await file.save();
  await fake?.stop();
  process.exit(0);
}
