import pino from "pino";

export type Logger = pino.Logger;

/** Structured logs on standard error, one JSON object a line; standard output is for what a person at the terminal reads. Callers log ids only:
 *  phone numbers, texts and tokens never go into a log; the redaction here is the second wall, not the first. */
export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: ["phone", "text", "token", "authorization", "*.phone", "*.text", "*.token", "*.authorization"],
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
