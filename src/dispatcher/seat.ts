// A device in this process: its session, what it has attempted, and its worker while it has one.

import type { DeviceRow } from "./device-rows.ts";
import { createAttemptWindow, limitsOf } from "../devices/limits.ts";
import { keepsItsPeople } from "../devices/score.ts";
import { type Clock, MINUTE_MS, type Timer } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import { type Receipt, SEND_DEADLINE_MS, type SessionStatus, type Transport } from "../transports/transport.ts";
import type { AssignableDevice } from "./assign.ts";
import type { ClaimedFlow } from "./claim.ts";
import { averageGapMs, gapMs, type Pace } from "./pace.ts";
import type { SendingDevice, Sent } from "./send.ts";
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
  /** Attempts that count for an hour's limit now, and flows that wait for theirs. */
  hourLoad(): number;
  give(flow: ClaimedFlow): void;
  worker(): Worker | null;
  /** Ends a worker that has had nothing to do for so long. */
  retire(idleMs: number): void;
  /** Replaces worker and session where a send never came to its end. True where it had to. */
  mend(): boolean;
  close(): Promise<void>;
}

export type SeatOptions = {
  readonly row: DeviceRow;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** Times of attempts made before this process had the device, by the monotonic clock. */
  readonly history: readonly number[];
  readonly send: (flow: ClaimedFlow, device: SendingDevice) => Promise<Sent>;
  readonly onStatus: (deviceId: string, status: SessionStatus, reason: string | null) => void;
  readonly onReceipt: (receipt: Receipt) => void;
};

export function openSeat({ row: firstRow, transport, clock, random, history, send, onStatus, onReceipt }: SeatOptions): Seat {
  let row = firstRow;
  let limits = limitsOf(row);
  let status: SessionStatus = "CONNECTING";
  let worker: Worker | null = null;
  const attempts = createAttemptWindow(SEND_DEADLINE_MS, history);
  const last = history.at(-1);
  // When a message of it was on the wire last, by the monotonic clock like all times here: with the wall clock set forward by two hours, limits and pauses
  // were over at once (seen: 13 attempts in an hour of 12); set back, the device stood still. One that a process before us attempted may have been written up to a deadline later.
  let wireAt = last === undefined ? -Infinity : Math.min(clock.monotonic(), last + SEND_DEADLINE_MS);
  // Of the last flow it was given: the likeliest pace of what comes next.
  let pace: Pace | undefined;
  // Drawn once for the wait that is ahead: drawn anew at each look, the shortest of many draws would win.
  let drawn: { readonly flowId: string; readonly ms: number } | undefined;

  const listener = {
    status(next: SessionStatus, reason: string | null) {
      status = next;
      onStatus(row.id, next, reason);
      if (next !== "ONLINE") worker?.drop();
    },
    receipt: onReceipt,
  };
  let session = transport.open(() => row, listener);

  const takesFlows = () => status === "ONLINE" && row.pausedAt === null;

  const waitMs = (flow: ClaimedFlow): number | null => {
    if (!takesFlows()) return null;
    if (drawn?.flowId !== flow.id) drawn = { flowId: flow.id, ms: gapMs(flow, random) };
    const now = clock.monotonic();
    const ms = Math.max(0, wireAt + drawn.ms - now, attempts.nextAttemptAt(limits, now) - now);
    return ms > LONGEST_WAIT_MS ? null : ms;
  };

  const sendOne = (flow: ClaimedFlow) => send(flow, { id: row.id, session, recordAttempt: attempts.record, forgetAttempt: attempts.forget });
  const onAttempted = (until: number) => {
    wireAt = until;
  };

  const processing = () => worker?.processing() ?? 0;

  return {
    deviceId: row.id,
    workspaceId: row.workspaceId,
    update(next) {
      row = next;
      limits = limitsOf(row);
      if (row.pausedAt !== null) worker?.drop();
    },
    assignable() {
      if (!takesFlows()) return null;
      const now = clock.monotonic();
      const currentProcessing = processing();
      const room = Math.min(attempts.room(limits, now) - currentProcessing, MAX_PROCESSING - currentProcessing);
      if (room <= 0) return null;
      const gap = pace === undefined ? 0 : averageGapMs(pace);
      const freeInMs = Math.max(0, attempts.nextAttemptAt(limits, now) - now, wireAt + (1 + currentProcessing) * gap - now);
      return { id: row.id, workspaceId: row.workspaceId, messagesHour: attempts.messagesHour(now), currentProcessing, room, freeInMs, gapMs: gap };
    },
    spills() {
      const now = clock.monotonic();
      return !takesFlows() || !keepsItsPeople(attempts.messagesHour(now)) || attempts.room(limits, now) <= 0;
    },
    hourLoad: () => attempts.messagesHour(clock.monotonic() - SEND_DEADLINE_MS) + processing(),
    give(flow) {
      pace = flow;
      worker ??= createWorker({ clock, waitMs, send: sendOne, onAttempted });
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
      void session.close();
      session = transport.open(() => row, listener);
      return true;
    },
    async close() {
      const ended = worker?.stop();
      let timer: Timer | undefined;
      // Nothing can be written after this long, and an acknowledgement may be another half minute away: it is not waited for.
      await Promise.race([ended, new Promise<void>((resolve) => (timer = clock.setTimeout(resolve, SEND_DEADLINE_MS)))]);
      timer?.cancel();
      await session.close();
      await ended;
    },
  };
}
