// A device in this process: its session, what it has attempted, and its worker while it has one.

import type { DeviceRow } from "./device-rows.ts";
import { createAttemptWindow, limitsOf } from "../devices/limits.ts";
import { isRestricted, type Restrictable } from "../devices/restriction.ts";
import { keepsItsPeople } from "../devices/score.ts";
import type { StatusChange } from "../devices/status.ts";
import { type Clock, MINUTE_MS, type Timer } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import { type Receipt, SEND_DEADLINE_MS, type SessionStatus, type Transport } from "../transports/transport.ts";
import type { AssignableDevice } from "./assign.ts";
import type { ClaimedFlow } from "./claim.ts";
import { averageGapMs, gapMs, type Pace } from "./pace.ts";
import type { Send, SendingDevice } from "./send.ts";
import { createWorker, type Worker } from "./worker.ts";

/** At most so many in processing, which is its worker's queue and the one in hand: well below the 100 that a queue may hold. */
const MAX_PROCESSING = 50;

/** Flows that would wait longer than this for the device's limits are better sent by another. */
const LONGEST_WAIT_MS = 2 * MINUTE_MS;

/** Twice what an attempt, its send and its acknowledgement may take together. */
const STUCK_AFTER_MS = 2 * MINUTE_MS;

export interface Seat {
  readonly deviceId: string;
  readonly workspaceId: string;
  /** Takes over what was changed in Postgres. */
  update(row: DeviceRow): void;
  /** As the assignment sees it; null while it takes no flows. */
  assignable(): AssignableDevice | null;
  /** Whether its people may be served by others now. */
  spills(): boolean;
  give(flow: ClaimedFlow): void;
  worker(): Worker | null;
  /** Ends a worker that has had nothing to do for so long. */
  retire(idleMs: number): void;
  /** Replaces worker and session where a send never came to its end. True where it had to. */
  mend(): boolean;
  /** Waits for what is being sent, and disconnects. */
  close(): Promise<void>;
  /** Disconnects now, whatever is being sent. */
  abandon(): void;
}

export type SeatOptions = {
  readonly row: DeviceRow;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** Times of attempts made before this process had the device, by the monotonic clock. */
  readonly history: readonly number[];
  readonly send: Send;
  readonly onStatus: (change: StatusChange) => void;
  readonly onReceipt: (receipt: Receipt) => void;
};

export function openSeat({ row: firstRow, transport, clock, random, history, send, onStatus, onReceipt }: SeatOptions): Seat {
  let row = firstRow;
  let limits = limitsOf(row);
  // From the row only at first: what Postgres has is what was heard here, a moment ago.
  let state: Restrictable = { status: "CONNECTING", restrictedUntil: firstRow.restrictedUntil };
  let worker: Worker | null = null;
  const attempts = createAttemptWindow(SEND_DEADLINE_MS, history);
  const last = history.at(-1);
  // When a message of it was on the wire last, by the monotonic clock like all times here: with the wall clock set forward by two hours, limits and pauses
  // were over at once (seen: 13 attempts in an hour of 12); set back, the device stood still. One that a process before us attempted may have been written up to a deadline later.
  let wireAt = last === undefined ? -Infinity : Math.min(clock.monotonic(), last + SEND_DEADLINE_MS);
  // Of the last flow it was given: the likeliest pace of what comes next.
  let pace: Pace | undefined;
  // Drawn once for the wait that is ahead: drawn anew at each look, the shortest of many draws would win.
  let drawnFor: string | undefined;
  let drawnMs = 0;

  const hear = (status: SessionStatus, reason: string | null, until: Date | null = null) => {
    const isAnother = status !== state.status;
    state = { status, restrictedUntil: status === "CONNECTING" || status === "OFFLINE" ? state.restrictedUntil : until };
    onStatus({ deviceId: row.id, status, reason, until });
    // What waits for one that has become restricted was given to it for anybody. Those who have written to it are claimed anew.
    if (isAnother && status !== "ONLINE") worker?.drop();
  };

  let opened = 0;
  const open = () => {
    const own = ++opened;
    // One that was replaced has no say any more.
    return transport.open(() => row, {
      status: (status, reason, until) => void (own === opened && hear(status, reason, until)),
      receipt: onReceipt,
      mayAnswer: () => own === opened && countAnswer(),
    });
  };

  const countAnswer = (): boolean => {
    const now = clock.monotonic();
    if (attempts.room(limits, now) <= 0) return false;
    attempts.record(now);
    wireAt = now; // what comes after it keeps the sequence's pause from it
    return true;
  };

  let session = open();
  let isGivenUp = false;

  /** Once the stuck one has ended: of two that live at the same time, each would push the other out. */
  const reopen = async () => {
    opened += 1;
    hear("OFFLINE", "A send through it never came to its end. It is being connected anew.");
    await withinDeadline(session.close());
    if (!isGivenUp) session = open();
  };

  /** Nothing can be written after this long; an acknowledgement may be another half minute away, and is not waited for. */
  const withinDeadline = async (work: Promise<void> | undefined) => {
    let timer: Timer | undefined;
    await Promise.race([work, new Promise<void>((resolve) => (timer = clock.setTimeout(resolve, SEND_DEADLINE_MS)))]);
    timer?.cancel();
  };

  const takesFlows = () => (state.status === "ONLINE" || state.status === "RESTRICTED") && row.pausedAt === null;
  const restricted = () => isRestricted(state, clock.now());

  const waitMs = (flow: ClaimedFlow): number | null => {
    if (!takesFlows()) return null;
    if (drawnFor !== flow.id) {
      drawnFor = flow.id;
      drawnMs = gapMs(flow, random);
    }
    const now = clock.monotonic();
    const ms = Math.max(0, wireAt + drawnMs - now, attempts.nextAttemptAt(limits, now) - now);
    return ms > LONGEST_WAIT_MS ? null : ms;
  };

  const takes = (flow: ClaimedFlow) => takesFlows() && (!restricted() || flow.repliedDeviceId === row.id);

  const onAttempted = (until: number) => {
    wireAt = until;
  };

  /** A worker keeps its session: what one that was replaced had in hand ends with it. */
  const createOwnWorker = (): Worker => {
    const device: SendingDevice = { id: row.id, session, takes, recordAttempt: attempts.record, forgetAttempt: attempts.forget, onEnded: (sent) => own.end(sent) };
    const own = createWorker({ clock, waitMs, send: (flow) => send(flow, device), onAttempted });
    return own;
  };

  const processing = () => worker?.processing() ?? 0;

  return {
    deviceId: row.id,
    workspaceId: row.workspaceId,
    update(next) {
      row = next;
      limits = limitsOf(row);
      if (row.pausedAt !== null) worker?.drop();
      session.refresh();
    },
    assignable() {
      if (!takesFlows()) return null;
      const now = clock.monotonic();
      const currentProcessing = processing();
      const room = Math.min(attempts.room(limits, now) - currentProcessing, MAX_PROCESSING - currentProcessing);
      if (room <= 0) return null;
      const gap = pace === undefined ? 0 : averageGapMs(pace);
      const freeInMs = Math.max(0, attempts.nextAttemptAt(limits, now) - now, wireAt + (1 + currentProcessing) * gap - now);
      return { id: row.id, workspaceId: row.workspaceId, messagesHour: attempts.messagesHour(now), currentProcessing, room, freeInMs, gapMs: gap, isRestricted: restricted() };
    },
    spills() {
      if (restricted()) return false;
      const now = clock.monotonic();
      return !takesFlows() || !keepsItsPeople(attempts.messagesHour(now)) || attempts.room(limits, now) <= 0;
    },
    give(flow) {
      pace = flow;
      worker ??= createOwnWorker();
      worker.give(flow);
    },
    worker: () => worker,
    retire(idleMs) {
      const since = worker?.idleSince() ?? null;
      if (since !== null && clock.monotonic() - since >= idleMs) worker = null;
    },
    mend() {
      const since = worker?.inHandSince() ?? null;
      if (since === null || clock.monotonic() - since < STUCK_AFTER_MS) return false;
      // What it has in hand is attempted, and rescue will end it. What it has not begun is in the queue in Postgres.
      worker?.drop();
      worker = null;
      void reopen();
      return true;
    },
    async close() {
      const ended = worker?.stop();
      await withinDeadline(ended);
      isGivenUp = true;
      await session.close();
      await ended;
    },
    abandon() {
      isGivenUp = true;
      worker?.drop();
      void session.close();
    },
  };
}
