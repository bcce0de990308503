// As much of Postgres's wire protocol as it takes to tell statements apart (Postgres: "Frontend/Backend Protocol", message formats).

/** The first byte of a message, where it has one. */
export const TYPE = {
  startup: "startup",
  parse: "P",
  bind: "B",
  query: "Q",
  sync: "S",
  password: "p",
  terminate: "X",
  ready: "Z",
  error: "E",
} as const;

const LENGTH_BYTES = 4;

/** Calls `take` with each message that is whole. The first message of a client has no type: it is the startup. */
export function splitMessages(isClient: boolean, take: (type: string, message: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let isStartup = isClient;
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      const typeBytes = isStartup ? 0 : 1;
      if (rest.length < typeBytes + LENGTH_BYTES) return;
      const end = typeBytes + rest.readInt32BE(typeBytes);
      if (rest.length < end) return;
      const message = rest.subarray(0, end);
      rest = rest.subarray(end);
      take(isStartup ? TYPE.startup : String.fromCharCode(message[0] ?? 0), message);
      isStartup = false;
    }
  };
}

/** The name of the prepared statement that a message is about; of one without a name the first word. Undefined where it is about none. */
export function statementOf(type: string, message: Buffer): string | undefined {
  const texts = () => message.toString("utf8", 1 + LENGTH_BYTES).split("\0", 2);
  if (type === TYPE.query) return firstWord(texts()[0] ?? "");
  if (type === TYPE.parse) {
    const [name = "", sql = ""] = texts();
    return name === "" ? firstWord(sql) : name;
  }
  // A portal, then the statement; one without a name was parsed just before.
  if (type === TYPE.bind) return texts()[1] || undefined;
  return undefined;
}

const firstWord = (sql: string) => /\w+/.exec(sql)?.[0].toUpperCase() ?? "";
