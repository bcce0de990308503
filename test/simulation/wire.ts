// A transport of the simulation's own: sessions that connect, break and come back, messages that are slow, refused, lost or acknowledged late. What
// is written is remembered with the true time: the witness.

import type { Deadline } from "../../src/lib/deadline.ts";
import { ACKNOWLEDGEMENT_MS, type Outcome, type OutgoingMessage, type Session, type SessionDevice, type SessionListener, type Transport } from "../../src/transports/transport.ts";
import type { Process, World } from "./world.ts";

export type Written = {
  readonly at: number;
  readonly deviceId: string;
  readonly phone: string;
  readonly flowId: string;
  readonly messageId: string;
  readonly text: string;
  readonly process: Process;
  /** Whether its session was the device's newest. */
  readonly isNewest: boolean;
};

/** Shares of the messages, from 0 to 1. */
export type WireFaults = {
  readonly refused: number;
  /** Written, and no acknowledgement ever comes. */
  readonly unacknowledged: number;
  /** Written, and acknowledged minutes later. */
  readonly late: number;
  /** The write itself takes seconds. */
  readonly slow: number;
  /** Average time between two disconnects of a session. */
  readonly disconnectEveryMs: number;
};

export type OpenSession = { readonly deviceId: string; readonly process: Process; readonly openedAt: number; isOpen: boolean; onlineSince: number; readonly listener: SessionListener };

export interface Wire {
  readonly written: Written[];
  /** Refused by the other side, or never written, for sure. */
  readonly refused: Set<string>;
  /** Acknowledgements that a process has heard after its send had ended, by flow. */
  readonly heardLate: Map<string, { readonly at: number; readonly process: Process }>;
  /** All sessions that were ever opened, by device, the newest last. */
  readonly sessions: Map<string, OpenSession[]>;
  transportOf(process: Process): Transport;
  /** From now on no session breaks any more. */
  mend(): void;
  /** Tells the device's newest session that it is restricted now, or no longer, where that is online. */
  tellRestriction(deviceId: string): void;
  /** Until when a device that is being told is restricted. */
  restrictionOf: (deviceId: string) => Date | undefined;
  /** Told of each message in the moment of its write. */
  onWrite: (message: Written) => void;
  onOpen: (session: OpenSession) => void;
}

/** The time since when a session is online that is not. */
const NEVER = Infinity;

const GONE: Outcome = { kind: "refused", code: "DEVICE_DISCONNECTED", message: "The device is not connected." };
const MISSED: Outcome = { kind: "refused", code: "DEADLINE_MISSED", message: "Too late to be written." };
const REFUSED: Outcome = { kind: "refused", code: "REJECTED", message: "The other side refused it." };
const CUT: Outcome = { kind: "unknown", message: "Disconnected before the acknowledgement." };
const SILENT: Outcome = { kind: "unknown", message: "No acknowledgement in time." };

export function createWire(world: World, faults: WireFaults): Wire {
  const random = world.random("wire");
  const wire: Wire = { written: [], refused: new Set(), heardLate: new Map(), sessions: new Map(), transportOf, mend: () => void (isMended = true), tellRestriction, restrictionOf: () => undefined, onWrite: () => {}, onOpen: () => {} };
  let isMended = false;

  function transportOf(process: Process): Transport {
    return { open: (device, listener) => openSession(process, device, listener) };
  }

  function tellOnline({ deviceId, listener }: OpenSession): void {
    const until = wire.restrictionOf(deviceId);
    if (until) listener.status("RESTRICTED", "WhatsApp restricts it.", until);
    else listener.status("ONLINE", null);
  }

  function tellRestriction(deviceId: string): void {
    const session = wire.sessions.get(deviceId)?.findLast(({ onlineSince }) => onlineSince < NEVER);
    if (session === undefined || session.process.state() === "dead") return;
    world.after(1, session.process, "what WhatsApp allows", () => void (session.onlineSince < NEVER && tellOnline(session)));
  }

  function openSession(process: Process, device: () => SessionDevice, listener: SessionListener): Session {
    const deviceId = device().id;
    const state: OpenSession = { deviceId, process, openedAt: world.now(), isOpen: true, onlineSince: NEVER, listener };
    const all = wire.sessions.get(deviceId) ?? [];
    wire.sessions.set(deviceId, [...all, state]);
    const sending = new Set<() => void>();
    world.trace.add(`  ${process.name} opens a session of ${deviceId.slice(-6)}`);
    wire.onOpen(state);
    process.onKill(() => {
      state.isOpen = false;
      state.onlineSince = NEVER;
    });

    const goOnline = () =>
      world.after(100 + 2000 * random(), process, `${deviceId.slice(-6)} online`, () => {
        if (!state.isOpen) return;
        state.onlineSince = world.now();
        tellOnline(state);
        if (faults.disconnectEveryMs < Infinity && !isMended) disconnectLater();
      });
    const disconnectLater = () =>
      world.after(-Math.log(1 - random()) * faults.disconnectEveryMs, process, `${deviceId.slice(-6)} offline`, () => {
        if (!state.isOpen || isMended) return;
        state.onlineSince = NEVER;
        for (const end of [...sending]) end();
        listener.status("OFFLINE", "The connection broke.");
        world.after(30_000 * random(), process, `${deviceId.slice(-6)} connects again`, () => void (state.isOpen && goOnline()));
      });
    listener.status("CONNECTING", null);
    goOnline();

    /** In one turn with the check of the deadline. */
    const write = (message: OutgoingMessage) => {
      const newest = wire.sessions.get(deviceId)?.at(-1);
      const written: Written = {
        at: world.now(), deviceId, phone: message.phone, flowId: message.flowId, messageId: message.messageId, text: message.text, process, isNewest: newest === state,
      };
      wire.written.push(written);
      world.trace.add(`  WIRE ${process.name} ${deviceId.slice(-6)} → ${message.phone} flow ${message.flowId} “${message.text}”`);
      wire.onWrite(written);
    };

    const acknowledge = (message: OutgoingMessage) =>
      new Promise<Outcome>((resolve) => {
        const end = (outcome: Outcome) => {
          sending.delete(cut);
          resolve(outcome);
        };
        const cut = () => end(CUT);
        sending.add(cut);
        const fate = random();
        const isLate = fate < faults.late;
        const isLost = !isLate && fate < faults.late + faults.unacknowledged;
        if (isLate || isLost) world.after(ACKNOWLEDGEMENT_MS, process, "no acknowledgement", () => end(SILENT));
        else world.after(50 + 950 * random() ** 2, process, "an acknowledgement", () => end({ kind: "accepted", at: new Date(process.clock.now()) }));
        // Receipts come over whatever session the device has by then.
        if (isLate) hearLater(message, "accepted", ACKNOWLEDGEMENT_MS + 1000 + 600_000 * random() ** 2);
        if (!isLost && random() < 0.2) hearLater(message, "delivered", 2000 + 5000 * random());
        if (!isLost && random() < 0.05) hearLater(message, "read", 8000 + 60_000 * random());
      });

    const hearLater = (message: OutgoingMessage, kind: "accepted" | "delivered" | "read", ms: number): void =>
      void world.after(ms, null, `${kind} ${message.flowId}`, () => {
        const session = wire.sessions.get(deviceId)?.findLast(({ onlineSince }) => onlineSince < NEVER);
        if (session === undefined || session.process.state() === "dead") return;
        world.after(1, session.process, "a receipt", () => {
          wire.heardLate.set(message.flowId, { at: world.now(), process: session.process });
          session.listener.receipt({ messageId: message.messageId, kind, at: new Date(session.process.clock.now()) });
        }, false);
      }, false);

    const refuse = (message: OutgoingMessage, outcome: Outcome) => {
      wire.refused.add(message.flowId);
      return outcome;
    };

    const send = async (message: OutgoingMessage, deadline: Deadline): Promise<Outcome> => {
      if (!state.isOpen || state.onlineSince === NEVER) return refuse(message, GONE);
      const isSlow = random() < faults.slow;
      await new Promise<void>((resolve) => void world.after(isSlow ? 15_000 * random() : 20 * random(), process, "a write", resolve));
      if (state.onlineSince === NEVER) return refuse(message, GONE);
      if (random() < faults.refused) return refuse(message, REFUSED);
      if (deadline.hasPassed()) return refuse(message, MISSED);
      write(message);
      return acknowledge(message);
    };

    return {
      prepare: async (media) => ({ kind: "ready", media: { media, content: null } }),
      send,
      refresh() {},
      async close() {
        if (!state.isOpen) return;
        state.isOpen = false;
        state.onlineSince = NEVER;
        world.trace.add(`  ${process.name} closes the session of ${deviceId.slice(-6)}`);
        for (const end of [...sending]) end();
        listener.status("OFFLINE", "Disconnected by the server.");
      },
    };
  }
  return wire;
}
