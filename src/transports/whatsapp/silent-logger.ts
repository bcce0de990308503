import type { SocketConfig } from "baileys";

/** For Baileys, whose own log has phone numbers and keys in it. */
export const silentLogger: SocketConfig["logger"] = {
  level: "silent",
  child: () => silentLogger,
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
};
