// libsignal prints sessions to the console, private keys and all.

import { LIBSIGNAL_FOLDER } from "./libsignal-modules.ts";

const METHODS = ["debug", "error", "info", "log", "trace", "warn"] as const;

// By who calls: its modules take the console from the global scope, and none can be handed to them. All other callers print as before.
for (const method of METHODS) {
  const print = globalThis.console[method];
  globalThis.console[method] = function quiet(...values: unknown[]) {
    if (!isCalledByLibsignal(quiet)) print.apply(this, values);
  };
}

/** `callee` is what has been called. */
function isCalledByLibsignal(callee: (...values: unknown[]) => void): boolean {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 1;
  const at: { stack?: string } = {};
  Error.captureStackTrace(at, callee);
  const caller = at.stack ?? "";
  Error.stackTraceLimit = limit;
  return caller.includes(LIBSIGNAL_FOLDER);
}
