import { setFlagsFromString } from "node:v8";
import { type AuthStoreOptions, createAuthStore } from "./auth-store.ts";
import { setRootKey } from "./signatures.ts";
import { createWhatsapp, type Whatsapp, type WhatsappOptions } from "./whatsapp.ts";

const WHATSAPP_URL = new URL("wss://web.whatsapp.com/ws/chat");

// Three thousand connections live for days in 250 MB. V8 lets that grow to several times as much before it looks what of it is garbage, which here are the
// remains of each message.
setFlagsFromString("--heap-growing-percent=25");

export type StartOptions = Omit<WhatsappOptions, "authStore" | "url"> &
  AuthStoreOptions & {
    /** Of a fake server; WhatsApp's own where undefined. */
    readonly url: URL | undefined;
    readonly rootKey: string | undefined;
  };

/** The transport, at work. This file loads all of Baileys: a process imports it once it has a WhatsApp device. */
export function startWhatsapp({ url = WHATSAPP_URL, rootKey, ...options }: StartOptions): Whatsapp {
  if (rootKey !== undefined) setRootKey(rootKey);
  const whatsapp = createWhatsapp({ ...options, url, authStore: createAuthStore(options) });
  whatsapp.start();
  return whatsapp;
}
