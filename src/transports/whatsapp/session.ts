// One WhatsApp device of this process, over all its connections: never two at a time, and none that nobody asked for.

import type { AuthenticationCreds } from "baileys";
import type { Clock, Timer } from "../../lib/clock.ts";
import { SECOND_MS } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import { LASTING, PAIR_FIRST, type Session, type SessionDevice, type SessionListener, type SessionStatus } from "../transport.ts";
import { createAcknowledgements } from "./acknowledgements.ts";
import type { Connection, ConnectionHandlers } from "./connection.ts";
import type { DeviceStore } from "./device-store.ts";
import { reactionTo } from "./disconnects.ts";
import type { Numbers } from "./numbers.ts";
import { isRestriction, outcomeOfAck } from "./outcome.ts";
import { createPairing, type Pairing } from "./pairing.ts";
import type { Reconnecting } from "./reconnecting.ts";
import { createRestriction } from "./restriction.ts";
import { createSaver } from "./saver.ts";
import { createSend, CUT, type Line } from "./send.ts";
import type { Uploads } from "./uploads.ts";

export type SessionOptions = {
  readonly device: () => SessionDevice;
  readonly listener: SessionListener;
  readonly store: DeviceStore;
  readonly numbers: Numbers;
  readonly uploads: Uploads;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly newCredentials: () => AuthenticationCreds;
  readonly connect: (creds: AuthenticationCreds, handlers: ConnectionHandlers) => Connection;
  readonly createReconnecting: (connect: () => void) => Reconnecting;
  /** No device of this process can connect any more, and why; null while they can. */
  readonly halted: () => string | null;
  readonly halt: (reason: string) => void;
};

const RESTRICTED = "WhatsApp restricts this device to people who have written to it. First contacts of it wait; send less to people who do not know you.";
const NOBODY_CAME = "Nobody took the pairing code in time. Call pairDevice again for a new one.";
const LOGGED_OUT = "An operator has logged it out. Pair it again to go on.";

const READ_RETRY_MS = 2 * SECOND_MS;

export function openSession(options: SessionOptions): Session {
  const { device, listener, store, numbers, uploads, clock, logger, halted } = options;
  const deviceId = device().id;
  let status: SessionStatus = "CONNECTING";
  let creds: AuthenticationCreds | null = null;
  let line: Line | null = null;
  let pairing: Pairing | undefined;
  let readTimer: Timer | undefined;
  let isClosed = false;
  let handled: Date | null = null;
  let last = Promise.resolve();

  const tell = (next: SessionStatus, reason: string | null, until?: Date) => {
    status = next;
    listener.status(next, reason, until);
  };

  /** What changes the connection happens one after the other. */
  const serially = (change: () => Promise<void>) => {
    last = last.then(() => (isClosed ? undefined : change())).catch((error: unknown) => logger.error({ err: error, deviceId }, "a device's connection could not be changed"));
    return last;
  };

  const saver = createSaver<AuthenticationCreds>({ clock, save: store.saveCredentials, onError: (error) => logger.warn({ err: error, deviceId }, "credentials could not be stored, to be tried again") });

  const isOpen = () => line?.connection.isOpen() ?? false;

  const endLine = (): Line | null => {
    const ended = line;
    line = null;
    ended?.acknowledgements.endAll(CUT);
    return ended;
  };

  const tellOpen = () => {
    const until = restriction.until();
    if (until === null) tell("ONLINE", null);
    else tell("RESTRICTED", RESTRICTED, until);
  };
  const restriction = createRestriction({ clock, until: device().restrictedUntil, onEnd: () => isOpen() && tellOpen() });

  const onRefusedAsRestricted = () => {
    restriction.assume();
    if (isOpen()) tellOpen();
    // The answer comes by `restricted`; without one a day is taken.
    line?.connection.askRestriction().catch((error: unknown) => logger.debug({ err: error, deviceId }, "WhatsApp did not tell until when it restricts a device"));
  };

  const handlers = (own: () => Connection): ConnectionHandlers => ({
    opened({ phone }) {
      pairing = undefined;
      reconnecting.opened();
      store.writePhone(phone).catch((error: unknown) => logger.warn({ err: error, deviceId }, "a device's number could not be written"));
      tellOpen();
    },
    ended: (code) => void serially(async () => onEnded(code)),
    qr: (qr, ms) => void serially(async () => (own() === line?.connection ? pairing?.show(own(), qr, ms) : undefined)),
    async paired(agreed) {
      await pairing?.agree(agreed);
    },
    credentials(changed) {
      // What is not agreed yet leaves no trace: a pairing that fails must not cost the one before it.
      if (pairing === undefined || pairing.isAgreed()) saver.save(changed);
    },
    acknowledged(messageId, error) {
      const outcome = outcomeOfAck(error, new Date(clock.now()));
      if (isRestriction(error)) onRefusedAsRestricted();
      if (line?.acknowledgements.settle(messageId, outcome) || outcome.kind !== "accepted") return;
      listener.receipt({ messageId, kind: "accepted", at: outcome.at });
    },
    receipt: listener.receipt,
    restricted(until) {
      restriction.set(until);
      if (isOpen()) tellOpen();
    },
  });

  const connect = async () => {
    if (isClosed) return; // while something was waited for before this
    const reason = halted();
    if (reason !== null) return tell("OFFLINE", reason);
    if (creds === null) return;
    if (status !== "PAIRING" && status !== "CONNECTING") tell("CONNECTING", null);
    const acknowledgements = createAcknowledgements(clock, () => connection.reset());
    const connection = options.connect(creds, handlers(() => connection));
    line = { connection, acknowledgements };
  };
  const reconnecting = options.createReconnecting(() => void serially(connect));

  const onEnded = async (code: number) => {
    endLine();
    const reaction = reactionTo(code);
    if (pairing && !pairing.isAgreed()) return endPairing(code === 408 ? NOBODY_CAME : reaction.reason);
    if (reaction.isForAll) options.halt(reaction.reason);
    const isAtOnce = reaction.reconnect !== "never" && reconnecting.again(reaction.reconnect) === 0;
    tell(isAtOnce ? "CONNECTING" : reaction.status, reaction.reason);
  };

  const endPairing = async (reason: string) => {
    const ended = pairing;
    pairing = undefined;
    creds = null;
    tell("UNPAIRED", reason);
    await ended?.end();
  };

  const disconnect = async () => {
    reconnecting.cancel();
    await endLine()?.connection.close();
  };

  const pair = async (phone: string | null) => {
    await disconnect();
    // The code of a pairing before leads nowhere any more.
    await pairing?.end();
    creds = options.newCredentials();
    pairing = createPairing({ store, clock, phone });
    tell("PAIRING", phone === null ? "Scan the QR code that devicePairing shows: on the phone, under linked devices." : "Type the code that devicePairing shows on the phone, under linked devices.");
    await connect();
  };

  const onPairingRequest = async (requestedAt: Date, phone: string | null) => {
    if (!(await store.takePairingRequest(requestedAt))) return;
    if (status === "REPLACED" && creds !== null) return reconnecting.now();
    if (LASTING.includes(status) || status === "PAIRING") await pair(phone);
  };

  const onLogoutRequest = async (requestedAt: Date) => {
    if (!(await store.takeLogoutRequest(requestedAt))) return;
    reconnecting.cancel();
    await line?.connection.logOut().catch((error: unknown) => logger.warn({ err: error, deviceId }, "WhatsApp could not be told that a device is logged out"));
    await disconnect();
    pairing = undefined;
    creds = null;
    await store.forget();
    tell("LOGGED_OUT", LOGGED_OUT);
  };

  const refresh = () => {
    const { pairingRequestedAt, pairingPhone, logoutRequestedAt } = device();
    const request = logoutRequestedAt ?? pairingRequestedAt;
    if (request === null || request.getTime() === handled?.getTime()) return;
    handled = request;
    void serially(async () => {
      try {
        await (logoutRequestedAt ? onLogoutRequest(logoutRequestedAt) : onPairingRequest(request, pairingPhone));
      } catch (error) {
        handled = null; // to be tried again with the next look at the device
        throw error;
      }
    });
  };

  const send = createSend({
    clock,
    line: () => line,
    isPresent: (phone, connection) => numbers.isPresent(device().workspaceId, phone, () => connection.lookUp(phone)),
    onProblem: (error) => logger.warn({ err: error, deviceId }, "a message could not be prepared"),
  });

  /** Credentials that cannot be read are not credentials that are not there. */
  const begin = async () => {
    try {
      creds = await store.loadCredentials();
    } catch (error) {
      logger.error({ err: error, deviceId }, "a device's credentials could not be read, to be tried again");
      tell("OFFLINE", "Its credentials cannot be read from the database at the moment. It is tried again by itself.");
      readTimer = clock.setTimeout(() => void serially(begin), READ_RETRY_MS);
      return;
    }
    const { status: known, statusReason } = device();
    if (creds !== null && !LASTING.includes(known)) {
      tell("CONNECTING", null);
      reconnecting.now();
    } else if (known === "UNPAIRED" || !LASTING.includes(known)) tell("UNPAIRED", PAIR_FIRST);
    else tell(known, statusReason);
    refresh();
  };
  void serially(begin);

  const closing = new AbortController();

  return {
    async prepare(media) {
      const connection = line?.connection;
      return connection?.isOpen() ? uploads.prepare(deviceId, media, connection, closing.signal) : { kind: "later" };
    },
    send,
    refresh,
    async close() {
      if (isClosed) return last;
      isClosed = true;
      closing.abort();
      readTimer?.cancel();
      restriction.cancel();
      await disconnect();
      await saver.saved();
      if (pairing && !pairing.isAgreed()) await endPairing(PAIR_FIRST).catch(() => {});
      else if (!LASTING.includes(status)) tell("OFFLINE", "The server has disconnected it.");
    },
  };
}
