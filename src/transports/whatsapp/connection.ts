// One connection to WhatsApp: Baileys' socket in the leanest configuration, and what is heard on it, told in our own terms. Everything that Baileys is
// asked or patched for stands here.

import {
  type AuthenticationCreds,
  type BinaryNode,
  getBinaryNodeChildren,
  jidDecode,
  jidNormalizedUser,
  makeWASocket,
  type proto,
  type SignalRepositoryWithLIDStore,
  type SocketConfig,
  type UserFacingSocketConfig,
} from "baileys";
import type { WebSocket } from "ws";
import { SECOND_MS } from "../../lib/clock.ts";
import type { Deadline } from "../../lib/deadline.ts";
import type { OutgoingMedia, Receipt } from "../transport.ts";
import type { DeviceKeys } from "./auth-port.ts";
import { createAgent } from "./agent.ts";
import { createBaileysKeys } from "./baileys-keys.ts";
import type { SharedCaches } from "./caches.ts";
import "./ciphers.ts";
import type { Envelope } from "./inbox-entry.ts";
import { createMediaUpload, withCaption } from "./media-upload.ts";
import { silentLogger } from "./silent-logger.ts";
import { createSignalRepositories } from "./signal.ts";
import { envelopeOf, isOfOnePerson, receiptsOf } from "./stanzas.ts";
import { unpooled } from "./unpooled.ts";
import { guardWrite, type Guarded, markEncrypted, mayWrite } from "./write-guard.ts";
import { createWriteHold } from "./write-hold.ts";

export interface ConnectionHandlers {
  /** It is logged in. */
  opened(me: { readonly phone: string; readonly lid: string | null }): void;
  /** It has ended by itself, and its socket is gone. Called once, and not after `close`. `code` is WhatsApp's. */
  ended(code: number): void;
  /** A code to be scanned, good for `ms`. */
  qr(qr: string, ms: number): void;
  /** The phone has agreed. The answer, without which WhatsApp takes nothing for paired, leaves once `creds` are stored. */
  paired(creds: AuthenticationCreds): Promise<void>;
  credentials(creds: AuthenticationCreds): void;
  /** WhatsApp's own word on a message; `error` where it did not take it. */
  acknowledged(messageId: string, error: string | undefined): void;
  receipt(receipt: Receipt): void;
  /** WhatsApp restricts the device until then, or no longer. */
  restricted(until: Date | null): void;
}

export interface Connection {
  isOpen(): boolean;
  /** Encrypts and writes a message. Nothing is written once `deadline` has passed. */
  write(to: { readonly phone: string; readonly messageId: string } & Written, deadline: Deadline): Guarded;
  /** Uploads a file for messages to show. */
  upload(media: OutgoingMedia, bytes: Buffer): Promise<proto.IMessage>;
  /** Whether the number is on WhatsApp. */
  lookUp(phone: string): Promise<boolean>;
  /** The eight characters to type on the phone with that number. */
  requestCode(phone: string): Promise<string>;
  /** Asks until when WhatsApp restricts the device; `restricted` tells. */
  askRestriction(): Promise<void>;
  /** Unlinks the device from its account. */
  logOut(): Promise<void>;
  /** Ends it. Resolves once the socket is gone. Safe to call twice. */
  close(): Promise<void>;
  /** Ends it with a reset: what was written and has not left the machine never will. */
  reset(): void;
}

/** `uploaded`: media, with the text as its caption. */
export type Written = { readonly text: string; readonly uploaded: proto.IMessage | null };

export type ConnectionOptions = {
  readonly url: URL;
  readonly creds: AuthenticationCreds;
  readonly keys: DeviceKeys;
  readonly caches: SharedCaches;
  /** A message that a recipient could not decrypt and asks for again. */
  readonly messageOf: (messageId: string) => Promise<Written | null>;
  readonly handlers: ConnectionHandlers;
};

const CONNECT_TIMEOUT_MS = 20 * SECOND_MS;
const QUERY_TIMEOUT_MS = 20 * SECOND_MS;

/** How long the other side may take to answer a close. */
const CLOSE_GRACE_MS = SECOND_MS;

/** How long WhatsApp shows each code: the first is good for longer. */
const FIRST_QR_MS = 60 * SECOND_MS;
const NEXT_QR_MS = 20 * SECOND_MS;

const CONNECTION_CLOSED = 428;
const TIMED_OUT = 408;
const NOT_AVAILABLE = 503;

const LEAN = {
  logger: silentLogger,
  connectTimeoutMs: 0, // ours: Baileys gives each write that time too, and takes three stack traces for it, a sixth of what a message costs
  defaultQueryTimeoutMs: QUERY_TIMEOUT_MS,
  keepAliveIntervalMs: 30 * SECOND_MS,
  emitOwnEvents: false,
  markOnlineOnConnect: false,
  syncFullHistory: false,
  shouldSyncHistoryMessage: () => false, // nobody's past conversations are read
  enableRecentMessageCache: false,
  generateHighQualityLinkPreview: false,
  transactionOpts: { maxCommitRetries: 2, delayBetweenTriesMs: 200 },
} satisfies Partial<SocketConfig>;

export function openConnection({ url, creds, keys, caches, messageOf, handlers }: ConnectionOptions): Connection {
  const { agent, reset } = createAgent(url);
  const envelopes = new WeakMap<Uint8Array, Envelope>();
  const createRepository = createSignalRepositories(keys, (ciphertext) => envelopes.get(ciphertext));
  const config: UserFacingSocketConfig = {
    ...LEAN,
    ...caches,
    waWebSocketUrl: url,
    agent: agent as NonNullable<SocketConfig["agent"]>,
    auth: { creds, keys },
    makeSignalRepository: (...args) => watched(createRepository(...args)),
    shouldIgnoreJid: (jid) => !isOfOnePerson(jid),
    async getMessage({ id }) {
      const message = id ? await messageOf(id) : null;
      return message === null ? undefined : encoded(message);
    },
  };
  const sock = unpooled(() => makeWASocket(config));
  Object.assign(sock.authState.keys, createBaileysKeys(keys));
  // Theirs to keep, ours to guard: `protected` there, and there from the moment it is made.
  const raw = (sock.ws as unknown as { readonly socket: WebSocket }).socket;
  let isLoggedIn = false;
  let isClosed = false;
  let isLate = false;
  let qrMs = FIRST_QR_MS;
  let ended: () => void = () => {};
  const gone = new Promise<void>((resolve) => (ended = resolve));

  // Baileys copies what comes into a small Buffer, and keeps what is left of it, which is nothing, until the next frame.
  const emit = sock.ws.emit.bind(sock.ws);
  sock.ws.emit = (event, ...values) => (event === "message" ? unpooled(() => emit(event, ...values)) : emit(event, ...values));

  // Asked by Baileys in the same turn as each write.
  Object.defineProperty(sock.ws, "isOpen", { get: () => raw.readyState === raw.OPEN && mayWrite() });

  // Baileys' own waits half a minute for an answer from a server that may be silent for good.
  sock.ws.close = async () => {
    if (raw.readyState === raw.CLOSED) return;
    const closed = new Promise((resolve) => raw.once("close", resolve));
    raw.close();
    const timer = setTimeout(() => raw.terminate(), CLOSE_GRACE_MS);
    await closed;
    clearTimeout(timer);
  };

  const holdWrites = createWriteHold(raw);

  // Something in between answers in place of WhatsApp: Baileys would wait for good.
  sock.ws.on("unexpected-response", () => void sock.end(Object.assign(new Error("the connection was refused"), { output: { statusCode: NOT_AVAILABLE } })));

  const connectTimer = setTimeout(() => {
    isLate = true;
    raw.terminate();
  }, CONNECT_TIMEOUT_MS);

  const onUpdate = (update: { connection?: string; qr?: string; isNewLogin?: boolean; lastDisconnect?: { error?: Error | undefined }; reachoutTimeLock?: RestrictionUpdate }) => {
    if (update.qr !== undefined || update.connection === "open" || update.connection === "close") clearTimeout(connectTimer);
    if (update.qr !== undefined) {
      handlers.qr(update.qr, qrMs);
      qrMs = NEXT_QR_MS;
    }
    if (update.isNewLogin) holdWrites(handlers.paired(creds));
    if (update.reachoutTimeLock) handlers.restricted(untilOf(update.reachoutTimeLock));
    if (update.connection === "open") {
      isLoggedIn = true;
      handlers.opened({ phone: jidDecode(creds.me?.id)?.user ?? "", lid: creds.me?.lid ? jidNormalizedUser(creds.me.lid) : null });
    }
    if (update.connection === "close") {
      isLoggedIn = false;
      ended();
      if (!isClosed) handlers.ended(isLate ? TIMED_OUT : codeOf(update.lastDisconnect?.error));
      isClosed = true;
    }
  };
  sock.ev.on("connection.update", onUpdate);
  sock.ev.on("creds.update", () => handlers.credentials(creds));
  sock.ws.on("CB:ack,class:message", ({ attrs }: BinaryNode) => attrs["id"] && handlers.acknowledged(attrs["id"], attrs["error"]));
  sock.ws.on("CB:receipt", (node: BinaryNode) => {
    for (const receipt of receiptsOf(node, Date.now())) handlers.receipt(receipt);
  });
  // Before Baileys' own listener, which decrypts.
  sock.ws.prependListener("CB:message", (node: BinaryNode) => {
    const envelope = envelopeOf(node, creds.me);
    if (envelope === undefined) return;
    for (const { content } of getBinaryNodeChildren(node, "enc")) if (content instanceof Uint8Array) envelopes.set(content, envelope);
  });

  const close = async () => {
    isClosed = true;
    isLoggedIn = false;
    await sock.end(undefined);
    await gone;
  };

  return {
    isOpen: () => isLoggedIn && !isClosed,
    write: ({ phone, messageId, ...message }, deadline) => guardWrite(deadline, () => sock.relayMessage(`${phone}@s.whatsapp.net`, encoded(message), { messageId })),
    upload: createMediaUpload({ url, query: (node) => sock.query(node) }),
    async lookUp(phone) {
      const found = await sock.onWhatsApp(phone);
      // No answer is not the answer that there is nobody.
      if (found === undefined) throw new Error("WhatsApp did not answer whether the number is there");
      return found.some(({ exists }) => exists);
    },
    requestCode: (phone) => sock.requestPairingCode(phone),
    async askRestriction() {
      await sock.fetchAccountReachoutTimelock();
    },
    async logOut() {
      isClosed = true;
      isLoggedIn = false;
      await sock.logout();
      await gone;
    },
    close,
    reset,
  };
}

const encoded = ({ text, uploaded }: Written): proto.IMessage => (uploaded ? withCaption(uploaded, text) : { extendedTextMessage: { text } });

type RestrictionUpdate = { isActive?: boolean; timeEnforcementEnds?: Date };

/** WhatsApp does not always say how long. */
const UNKNOWN_RESTRICTION_MS = 24 * 3600 * SECOND_MS;

const untilOf = ({ isActive, timeEnforcementEnds }: RestrictionUpdate): Date | null =>
  isActive ? (timeEnforcementEnds ?? new Date(Date.now() + UNKNOWN_RESTRICTION_MS)) : null;

/** Baileys gives WhatsApp's codes in the manner of HTTP errors. */
const codeOf = (error: Error | undefined): number => (error as { output?: { statusCode?: number } } | undefined)?.output?.statusCode ?? CONNECTION_CLOSED;

/** Tells the guard once a message is encrypted. */
function watched(repository: SignalRepositoryWithLIDStore): SignalRepositoryWithLIDStore {
  return {
    ...repository,
    async encryptMessage(message) {
      const encrypted = await repository.encryptMessage(message);
      markEncrypted();
      return encrypted;
    },
  };
}
