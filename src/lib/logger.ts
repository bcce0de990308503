import pino from "pino";

export type Logger = pino.Logger;

/** Structured logs on standard error, one JSON object a line; standard output is for what a person at the terminal reads. Callers log ids only:
 *  phone numbers, texts and tokens never go into a log; the redaction here is the second wall, not the first. */
export function createLogger(level: string, destination: pino.DestinationStream = pino.destination({ fd: 2, sync: true })): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: withoutData },
      redact: ["phone", "text", "token", "authorization", "*.phone", "*.text", "*.token", "*.authorization"],
    },
    destination,
  );
}

/** An error as it may be logged. What a database says of one, in message, detail and parameters, quotes rows: its code and its place say enough. */
function withoutData(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { kind: typeof error };
  const cause = error.cause instanceof Error ? error.cause : error;
  const { code, constraint, table, routine } = cause as { code?: unknown; constraint?: unknown; table?: unknown; routine?: unknown };
  const isOfDatabase = cause !== error || (typeof code === "string" && SQLSTATE.test(code));
  const frames = (error.stack ?? "").split("\n").filter((line) => line.startsWith("    at "));
  return { name: cause.name, ...(isOfDatabase ? {} : { message: error.message }), code, constraint, table, routine, frames };
}

const SQLSTATE = /^[0-9A-Z]{5}$/;
