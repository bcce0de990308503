import "../../src/transports/whatsapp/libsignal.ts";

await import("./libsignal-talk.ts");
console.debug("debug");
console.log("our own %s:", "log", "Closing session:");
console.info("info");
console.error("error");
console.warn("warn");
