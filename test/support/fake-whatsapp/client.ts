// The unmodified client, with its credentials in memory: what the fake server is tested with, and nothing of Rentak.

import { randomBytes } from "node:crypto";
import {
  type AuthenticationCreds,
  type BaileysEventMap,
  initAuthCreds,
  makeWASocket,
  type proto,
  type SignalDataTypeMap,
  type UserFacingSocketConfig,
  WA_CERT_DETAILS,
  type WAMessage,
  type WASocket,
} from "baileys";
import pino from "pino";
// The client's libsignal prints its sessions to the console, private keys and all.
import "../../../src/transports/whatsapp/quiet.ts";
import type { FakeWhatsapp } from "./fake.ts";
import type { LinkedCredentials } from "./credentials.ts";

export type ClientAuth = {
  readonly creds: AuthenticationCreds;
  readonly keys: Map<string, unknown>;
  /** Whose devices are known already. The client looks them up, and begins a new conversation, whenever it does not know them. */
  readonly devices: Map<string, unknown>;
};

export interface TestClient {
  readonly sock: WASocket;
  readonly auth: ClientAuth;
  /** Every event so far, in order. */
  readonly events: { readonly name: keyof BaileysEventMap; readonly value: unknown }[];
  readonly messages: WAMessage[];
  /** The first update that `isMeant` says yes to, be it there already or yet to come. */
  next<E extends keyof BaileysEventMap>(name: E, isMeant?: (value: BaileysEventMap[E]) => boolean): Promise<BaileysEventMap[E]>;
  open(): Promise<void>;
  /** With which code the connection ended. */
  closed(): Promise<number | undefined>;
  /** The server's word on a message: the error's code, or null. */
  acknowledged(messageId: string): Promise<string | null>;
  qr(): Promise<string>;
  text(jid: string, text: string): Promise<string>;
  end(): void;
}

export function newAuth(): ClientAuth {
  // Without the twenty seconds that a first login waits for a history.
  return { creds: { ...initAuthCreds(), accountSyncCounter: 1 }, keys: new Map(), devices: new Map() };
}

export function linkedAuth({ creds, preKeys }: LinkedCredentials): ClientAuth {
  return { creds, keys: new Map(Object.entries(preKeys).map(([id, pair]) => [`pre-key:${id}`, pair])), devices: new Map() };
}

export function connectClient(fake: Pick<FakeWhatsapp, "url" | "rootKey">, auth: ClientAuth): TestClient {
  // Of the whole thread, where a file before this one may have had Rentak look at signatures, and been signed for by another server.
  WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(fake.rootKey, "hex");
  const sent = new Map<string, proto.IMessage>();
  const sock = makeWASocket(configOf(fake.url, auth, sent));
  const events: { name: keyof BaileysEventMap; value: unknown }[] = [];
  const messages: WAMessage[] = [];
  const acks = new Map<string, string | null>();
  const { until, happened } = createWaiting();
  sock.ev.on("creds.update", (update) => void Object.assign(auth.creds, update));
  sock.ev.on("messages.upsert", (upsert) => void messages.push(...upsert.messages));
  // Not ev.process: it stands back while the client is buffering.
  for (const name of ["connection.update", "messages.update", "messages.upsert"] as const) {
    sock.ev.on(name, (value) => happened(events.push({ name, value })));
  }
  sock.ws.on("CB:ack,class:message", ({ attrs }: { attrs: Record<string, string> }) => happened(acks.set(attrs["id"] ?? "", attrs["error"] ?? null)));
  const next: TestClient["next"] = (name, isMeant = () => true) =>
    until(() => events.find((event) => event.name === name && isMeant(event.value as never))?.value as never);

  return {
    sock,
    auth,
    events,
    messages,
    next,
    open: () => next("connection.update", ({ connection }) => connection === "open").then(() => {}),
    async closed() {
      const { lastDisconnect } = await next("connection.update", ({ connection }) => connection === "close");
      return (lastDisconnect?.error as { output?: { statusCode?: number } } | undefined)?.output?.statusCode;
    },
    acknowledged: (messageId) => until(() => acks.get(messageId)),
    qr: () => next("connection.update", ({ qr }) => qr !== undefined).then(({ qr }) => qr ?? ""),
    async text(jid, text) {
      const messageId = `3EB0${randomBytes(9).toString("hex").toUpperCase()}`;
      sent.set(messageId, { conversation: text });
      await sock.sendMessage(jid, { text }, { messageId });
      return messageId;
    },
    end: () => sock.end(undefined),
  };
}

function configOf(url: string, auth: ClientAuth, sent: ReadonlyMap<string, proto.IMessage>): UserFacingSocketConfig {
  return {
    waWebSocketUrl: url,
    auth: { creds: auth.creds, keys: keyStore(auth.keys) },
    logger: pino({ level: "silent" }),
    shouldSyncHistoryMessage: () => false,
    enableRecentMessageCache: false,
    // Otherwise what is heard of a message is put into the event that says that it was sent.
    emitOwnEvents: false,
    userDevicesCache: {
      get: <T>(user: string) => auth.devices.get(user) as T | undefined,
      set: (user, devices) => void auth.devices.set(user, devices),
      del: (user) => void auth.devices.delete(user),
      flushAll: () => auth.devices.clear(),
    },
    getMessage: (key) => Promise.resolve(sent.get(key.id ?? "")),
  };
}

/** `until` looks again whenever something has happened. */
function createWaiting() {
  const listeners = new Set<() => void>();
  return {
    happened(_what: unknown) {
      for (const listener of listeners) listener();
    },
    until: <T>(look: () => T | undefined) =>
      new Promise<T>((resolve) => {
        const listener = () => {
          const seen = look();
          if (seen === undefined) return;
          listeners.delete(listener);
          resolve(seen);
        };
        listeners.add(listener);
        listener();
      }),
  };
}

function keyStore(keys: Map<string, unknown>) {
  return {
    get<T extends keyof SignalDataTypeMap>(type: T, ids: string[]) {
      const found = ids.flatMap((id) => (keys.has(`${type}:${id}`) ? [[id, keys.get(`${type}:${id}`)]] : []));
      return Promise.resolve(Object.fromEntries(found) as { [id: string]: SignalDataTypeMap[T] });
    },
    set(data: object) {
      for (const [type, entries] of Object.entries(data) as [string, Record<string, unknown>][]) {
        for (const [id, value] of Object.entries(entries)) {
          if (value === null || value === undefined) keys.delete(`${type}:${id}`);
          else keys.set(`${type}:${id}`, value);
        }
      }
    },
  };
}
