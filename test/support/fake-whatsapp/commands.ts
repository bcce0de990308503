// What can be typed at a fake WhatsApp that was started by hand.

import type { FakeWhatsapp } from "./fake.ts";

type Command = { readonly usage: string; readonly help: string; run(fake: FakeWhatsapp, words: string[]): Promise<string> | string };

const MINUTE_MS = 60_000;

const COMMANDS: Readonly<Record<string, Command>> = {
  scan: {
    usage: "scan QR [PHONE]",
    help: "scans the QR code that a device shows, as text, with the phone of that number",
    run: async (fake, [qr = "", phone = unusedPhone(fake)]) => `linked ${await fake.scan(qr, digits(phone))}`,
  },
  code: {
    usage: "code ABCD1234 [PHONE]",
    help: "types in the eight characters that a device shows, on the phone that they are for",
    run: async (fake, [code = "", phone = phoneOfCode(fake)]) => `linked ${await fake.enterCode(code, digits(phone))}`,
  },
  accounts: {
    usage: "accounts",
    help: "which accounts have linked devices",
    run: (fake) => [...fake.accounts.values()].map(({ phone, companions }) => `${phone}: ${companions.size} devices`).join("\n") || "none yet",
  },
  reply: {
    usage: "reply PHONE TEXT",
    help: "this person writes to the account that has written to it last",
    async run(fake, [phone = "", ...words]) {
      await fake.reply({ account: accountFor(fake, digits(phone)), phone: digits(phone), text: words.join(" ") });
      return "sent";
    },
  },
  read: {
    usage: "read [PHONE]",
    help: "everything that has arrived was read, by this person or by all",
    run(fake, [phone]) {
      const messages = fake.witness.of("message").filter((message) => message.error === null && (phone === undefined || message.phone === digits(phone)));
      const unread = messages.filter(({ messageId }) => !fake.witness.of("receipt").some((receipt) => receipt.messageId === messageId && receipt.type === "read"));
      for (const { account, messageId } of unread) fake.read(account, messageId);
      return `${unread.length} read`;
    },
  },
  absent: {
    usage: "absent PHONE",
    help: "this number is not on WhatsApp",
    run: (fake, [phone = ""]) => (fake.setAbsent(digits(phone)), "not on WhatsApp any more"),
  },
  restrict: {
    usage: "restrict ACCOUNT [MINUTES]",
    help: "the account may not write to strangers (463) for so long, 60 where none is given; 0 ends it",
    run(fake, [account = "", minutes = "60"]) {
      fake.restrict(digits(account), Number(minutes) > 0 ? new Date(Date.now() + Number(minutes) * MINUTE_MS) : null);
      return Number(minutes) > 0 ? "restricted" : "not restricted any more";
    },
  },
  refuse: {
    usage: "refuse CODE",
    help: "refuses all messages with this code; 0 ends it",
    run: (fake, [code = "0"]) => (fake.behave({ ack: Number(code) > 0 ? { refuse: Number(code) } : "accept" }), "so be it"),
  },
  error: {
    usage: "error ACCOUNT CODE",
    help: "throws a stream error at the account's devices: 503, 515, 440 (replaced), …",
    run: (fake, [account = "", code = "503"]) => (fake.throwStreamError(digits(account), Number(code)), "thrown"),
  },
  unlink: {
    usage: "unlink ACCOUNT",
    help: "somebody unlinks the account's devices on the phone",
    run: (fake, [account = ""]) => (fake.unlink(digits(account)), "unlinked"),
  },
  cut: { usage: "cut", help: "cuts all connections and lets nobody in", run: (fake) => (fake.cutAll(), "cut") },
  mend: { usage: "mend", help: "lets everybody in again, and ends whatever else was set", run: (fake) => (fake.setGate("open"), fake.behaveWell(), "all is well") },
};

/** What to say to a line; rejects with why it could not be done. */
export async function runCommand(fake: FakeWhatsapp, line: string): Promise<string> {
  const [name = "", ...words] = line.trim().split(/\s+/);
  if (name === "") return "";
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return command ? command.run(fake, words) : help();
}

function help(): string {
  const width = Math.max(...Object.values(COMMANDS).map(({ usage }) => usage.length)) + 2;
  return Object.values(COMMANDS).map(({ usage, help }) => usage.padEnd(width) + help).join("\n");
}

function digits(phone: string): string {
  const number = phone.replaceAll(/[\s+()-]/g, "");
  if (!/^[1-9]\d{5,14}$/.test(number)) throw new Error(`${phone === "" ? "nothing" : phone} is no phone number with its country code`);
  return number;
}

function unusedPhone({ accounts }: FakeWhatsapp): string {
  for (let number = 60_100_000_001; ; number++) if (!accounts.has(String(number))) return String(number);
}

function phoneOfCode({ witness }: FakeWhatsapp): string {
  const shown = witness.of("code shown").at(-1);
  if (!shown) throw new Error("no device shows a code");
  return shown.account;
}

function accountFor({ witness, accounts }: FakeWhatsapp, phone: string): string {
  const account = witness.of("message").findLast((message) => message.phone === phone)?.account ?? accounts.keys().next().value;
  if (account === undefined) throw new Error("no account is linked yet");
  return account;
}
