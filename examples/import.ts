// `npm run import -- leads.csv`: streams a CSV file of any size to the server, shows how far it has come, and says what became of it. Ctrl-C cancels the import.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { Listr } from "listr2";
import { CancelLeadImportDocument } from "../schema/client/graphql.ts";
import { fail, readToken, SERVER_URL } from "./local-server.ts";

const USAGE = `Usage: npm run import -- FILE [options]
  --trigger WORD           for rows that name none; can be given several times
  --consent-source TEXT    where these people agreed, for rows that do not say, with
  --consent-at TIME        when: 2026-10-01, or 2026-10-01T09:30:00+08:00
  --url URL                the server; ${SERVER_URL} by default
  --token TOKEN            the leads go into its workspace; the admin token of this machine's server by default`;

const OPTIONS = {
  trigger: { type: "string", multiple: true },
  "consent-source": { type: "string" },
  "consent-at": { type: "string" },
  url: { type: "string", default: SERVER_URL },
  token: { type: "string" },
} as const;

/** A date alone means its midnight in UTC, as it does in a file. */
const DATE = /^\d{4}-\d{2}-\d{2}$/;

const BAR_WIDTH = 30;

/** What the server tells of the import, a line for each state. */
type State = {
  readonly id: string;
  readonly status: "RUNNING" | "COMPLETED" | "FAILED" | "CANCELLED";
  readonly rowsRead: number;
  readonly rowsCreated: number;
  readonly rowsUpdated: number;
  readonly rowsRejected: number;
  readonly bytesRead?: number;
  readonly rejects?: string;
  readonly errors?: readonly { readonly message: string }[];
};

function readArguments() {
  try {
    const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
    const [file, ...more] = positionals;
    return file === undefined || more.length > 0 ? fail(USAGE) : { ...values, url: values.url.replace(/\/+$/, ""), file };
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}

const options = readArguments();
const { file, url } = options;
const authorization = `Bearer ${options.token ?? (await readToken(", or give one with --token"))}`;
const { size } = await stat(file).catch(() => fail(`There is no file ${file}.`));

function addressOf(): string {
  const parameters = new URLSearchParams({ fileName: basename(file) });
  if (options.trigger) parameters.set("triggers", options.trigger.join(","));
  if (options["consent-source"] !== undefined) parameters.set("consentSource", options["consent-source"]);
  if (options["consent-at"] !== undefined) parameters.set("consentAt", options["consent-at"].replace(DATE, "$&T00:00:00Z"));
  return `${url}/imports/leads?${parameters}`;
}

let latest: State | undefined;
/** Why it was not begun. */
let refusal: string | undefined;
let isCancelled = false;
let interrupts = 0;

/** Sends the file; resolves as soon as the server answers, which is while the file is still being sent. */
function begin(): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization, accept: "application/x-ndjson", "content-type": "text/csv", "content-length": size };
    const sending = (url.startsWith("https:") ? httpsRequest : httpRequest)(addressOf(), { method: "POST", headers });
    // After the answer has begun, what it says counts: a server that has refused the file need not read all of it.
    sending.on("response", resolve).on("error", reject);
    if (size === 0) return sending.end();
    // As long as was announced, though the file may grow meanwhile.
    const reading = createReadStream(file, { end: size - 1 });
    reading.on("error", (error) => sending.destroy(error)).pipe(sending);
    sending.on("close", () => reading.destroy());
    const hangUp = () => sending.destroy();
    process.on("SIGINT", () => {
      // The second Ctrl-C waits for nothing.
      if (++interrupts > 1) process.exit(130);
      void cancel(hangUp);
    });
    // The launcher hands Ctrl-C on as SIGTERM as well.
    process.on("SIGTERM", () => void cancel(hangUp));
  });
}

/** Asks the server to end the import, which then says how far it came. */
async function cancel(hangUp: () => void): Promise<void> {
  if (isCancelled) return;
  isCancelled = true;
  if (!latest) return hangUp();
  const body = JSON.stringify({ query: CancelLeadImportDocument, variables: { id: latest.id } });
  const headers = { authorization, "content-type": "application/json" };
  // Where it cannot be asked, hanging up ends the import as well.
  await fetch(`${url}/graphql`, { method: "POST", headers, body }).catch(hangUp);
}

const whole = (count: number) => count.toLocaleString("en");
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);

function titleOf({ rowsRead, rowsRejected, bytesRead = 0 }: State, startedAt: number): string {
  const share = size > 0 ? Math.min(1, bytesRead / size) : 1;
  const filled = Math.round(share * BAR_WIDTH);
  const rate = Math.round(rowsRead / Math.max(0.001, (performance.now() - startedAt) / 1000));
  return `${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)} ${Math.floor(share * 100)} %, ${megabytes(bytesRead)} of ${megabytes(size)} MB, ${whole(rowsRead)} rows (${whole(rate)}/s), ${whole(rowsRejected)} refused`;
}

/** Follows the import to its end. Undefined where the connection broke before that. */
async function follow(answer: IncomingMessage, show: (state: State) => void): Promise<State | undefined> {
  let end: State | undefined;
  try {
    for await (const line of createInterface({ input: answer })) {
      latest = JSON.parse(line) as State;
      if (latest.status === "RUNNING") show(latest);
      else end = latest;
    }
  } catch {
    // The connection broke; what was heard before it did is what is known.
  }
  return end;
}

async function run(show: (state: State) => void): Promise<State | undefined> {
  try {
    const answer = await begin();
    if (answer.statusCode === 200) return await follow(answer, show);
    const said = await text(answer);
    const { errors } = JSON.parse(said) as { errors: readonly { message: string }[] };
    refusal = errors.map(({ message }) => message).join("\n");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!isCancelled) refusal = code === "ECONNREFUSED" ? `Nothing answers at ${url}: start the server first, with \`npm start\`.` : `The file could not be sent: ${message}`;
  }
  return undefined;
}

function report(end: State | undefined): void {
  const counts = end ?? latest;
  if (counts) {
    const { rowsRead, rowsCreated, rowsUpdated, rowsRejected } = counts;
    console.log(`${whole(rowsRead)} rows: ${whole(rowsCreated)} new leads, ${whole(rowsUpdated)} updated, ${whole(rowsRejected)} refused.`);
  }
  if (counts?.rejects !== undefined) {
    console.log(`The refused rows, with their reasons, to be mended and imported again:\n  curl -H "Authorization: Bearer $TOKEN" -o rejects.csv ${url}${counts.rejects}`);
  }
  for (const { message } of end?.errors ?? []) console.error(message);
  if (!end) console.error(refusal ?? (counts ? "The connection broke off. What was imported stays; importing the file again does no harm." : "Nothing was imported."));
  // Ctrl-C can come too late.
  process.exitCode = end?.status === "COMPLETED" ? 0 : isCancelled ? 130 : 1;
}

const startedAt = performance.now();
let end: State | undefined;
const tasks = new Listr(
  [
    {
      title: `Importing ${basename(file)}`,
      task: async (_context, task) => {
        end = await run((state) => (task.title = titleOf(state, startedAt)));
        if (end?.status !== "COMPLETED") throw new Error(isCancelled ? "Cancelled" : "Not imported to its end");
        task.title = `Imported ${basename(file)}`;
      },
    },
  ],
  { exitOnError: false, registerSignalListeners: false, fallbackRenderer: "verbose", fallbackRendererOptions: { logTitleChange: true }, fallbackRendererCondition: () => !process.stdout.isTTY },
);
await tasks.run();
report(end);
