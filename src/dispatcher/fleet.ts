// The devices that this process holds: who is there, who can take how much, and what they are given.

import type pg from "pg";
import type { FleetView } from "../devices/fleet-view.ts";
import type { StatusLog } from "../devices/status-log.ts";
import { type Clock, SECOND_MS } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { type Receipt, SEND_DEADLINE_MS, type Transport } from "../transports/transport.ts";
import type { AssignableDevice, Assignment } from "./assign.ts";
import type { ClaimedFlow } from "./claim.ts";
import { type DeviceRow, endQuarantine, loadAttempts, loadDevices, releaseDevice, writeSpilling } from "./device-rows.ts";
import type { Send } from "./send.ts";
import { openSeat, type Seat } from "./seat.ts";

export interface Fleet extends FleetView {
  /** Opens, changes, hands over and closes devices so that they are what Postgres says. */
  sync(): Promise<void>;
  /** The devices that take flows now. */
  assignable(): AssignableDevice[];
  /** The devices that have their people to themselves, also those that take no flows now. */
  keepers(): string[];
  give(assignments: readonly Assignment<ClaimedFlow>[]): void;
  /** The flows that wait in workers' queues or are in hand. */
  held(): string[];
  averageSendMs(): number;
  /** The flows of a workspace that its workers have in their queues or in hand. */
  processing(workspaceId: string): number;
  retireIdle(): void;
  /** Replaces workers that are stuck. */
  mendStuck(): void;
  size(): { readonly devices: number; readonly activeWorkers: number };
  /** Waits for what is being sent, and disconnects. */
  close(): Promise<void>;
  /** Disconnects now, whatever is being sent: others are about to open these devices. */
  abandon(): void;
}

export type FleetOptions = {
  readonly pool: pg.Pool;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Devices of others are left alone. */
  readonly transports: Readonly<Partial<Record<DeviceRow["transport"], Transport>>>;
  readonly workerIdleMs: number;
  readonly statusLog: StatusLog;
  readonly send: Send;
  readonly onReceipt: (receipt: Receipt) => void;
  /** Devices can be opened that could not before: it is time to look. */
  readonly onReady: () => void;
};

/** How long ago the devices may have been read for a session to be opened upon it. Who takes a device over from a node opens it a send deadline later at
 *  the earliest; a process that was stopped after its look must not do so after that one, and push its session out. */
const READ_FOR_MS = SEND_DEADLINE_MS - 5 * SECOND_MS;

export function createFleet(options: FleetOptions): Fleet {
  const { pool, nodeId, clock, random, logger, transports, statusLog } = options;
  const seats = new Map<string, Seat>();
  /** Sessions that are being ended, by device. */
  const closing = new Map<string, { readonly seat: Seat; readonly done: Promise<void> }>();
  /** Devices of dead nodes, and since when this node has had them, by the monotonic clock. */
  const quarantine = new Map<string, number>();
  let closed = false;

  const open = (row: DeviceRow, history: readonly number[]) => {
    const transport = transports[row.transport];
    if (transport === undefined) return;
    seats.set(row.id, openSeat({ row, transport, clock, random, history, send: options.send, onStatus: statusLog.add, onReceipt: options.onReceipt }));
  };

  /** Not awaited: a message of it that takes its time must not hold up the cycle of all the others. */
  const close = (seat: Seat, after: () => Promise<void>) => {
    seats.delete(seat.deviceId);
    const done = seat
      .close()
      .then(after)
      .catch((error: unknown) => logger.error({ err: error, deviceId: seat.deviceId }, "a device could not be given up, to be tried again"))
      .finally(() => closing.delete(seat.deviceId));
    closing.set(seat.deviceId, { seat, done });
  };

  const handOver = (deviceId: string) => async () => {
    await statusLog.flush();
    await releaseDevice(pool, nodeId, deviceId);
  };

  /** Over once a send deadline has passed since this node got it: whatever its dead holder had on its way is on the wire by then, or never. */
  const isQuarantineOver = (deviceId: string) => {
    const since = quarantine.get(deviceId);
    if (since !== undefined) return clock.monotonic() - since >= SEND_DEADLINE_MS;
    quarantine.set(deviceId, clock.monotonic());
    void clock.setTimeout(options.onReady, SEND_DEADLINE_MS + 1);
    return false;
  };

  const openNew = async (rows: readonly DeviceRow[], readAt: number) => {
    const waited = rows.filter((row) => row.quarantined && isQuarantineOver(row.id)).map((row) => row.id);
    const freed = await endQuarantine(pool, nodeId, waited);
    for (const id of freed) quarantine.delete(id);
    const ready = rows.filter((row) => !row.quarantined || freed.has(row.id));
    if (ready.length === 0) return;
    const attempts = await loadAttempts(pool, ready.map((row) => row.id), clock.monotonic);
    if (closed || clock.monotonic() - readAt > READ_FOR_MS) return;
    for (const row of ready) open(row, attempts.get(row.id) ?? []);
  };

  const workers = () => definedOf(seats.values(), (seat) => seat.worker());

  return {
    async sync() {
      const readAt = clock.monotonic();
      const rows = await loadDevices(pool, nodeId);
      if (closed) return;
      const present = new Map(rows.map((row) => [row.id, row]));
      for (const seat of [...seats.values()]) {
        const row = present.get(seat.deviceId);
        if (row === undefined) close(seat, async () => {});
        else if (row.wantedNodeId !== null) close(seat, handOver(seat.deviceId));
        else seat.update(row);
      }
      for (const id of quarantine.keys()) if (!present.has(id)) quarantine.delete(id);
      const absent = rows.filter((row) => !seats.has(row.id) && !closing.has(row.id));
      for (const row of absent.filter(({ wantedNodeId }) => wantedNodeId !== null)) await releaseDevice(pool, nodeId, row.id);
      await openNew(absent.filter(({ wantedNodeId }) => wantedNodeId === null), readAt);
      const spilling = rows.map((row) => ({ deviceId: row.id, spills: seats.get(row.id)?.spills() ?? true, before: row.spills }));
      await writeSpilling(pool, nodeId, spilling.filter(({ spills, before }) => spills !== before));
    },

    assignable: () => definedOf(seats.values(), (seat) => seat.assignable()),

    keepers: () => [...seats.values()].filter((seat) => !seat.spills()).map((seat) => seat.deviceId),

    give(assignments) {
      for (const { flow, deviceId } of assignments) seats.get(deviceId)?.give(flow);
    },

    held() {
      const ids: string[] = [];
      for (const worker of workers()) ids.push(...worker.held());
      return ids;
    },

    averageSendMs() {
      const averages = definedOf(workers(), (worker) => worker.averageSendMs());
      return averages.length === 0 ? 0 : averages.reduce((sum, ms) => sum + ms, 0) / averages.length;
    },

    processing: (workspaceId) => [...seats.values()].reduce((sum, seat) => (seat.workspaceId === workspaceId ? sum + (seat.worker()?.processing() ?? 0) : sum), 0),

    retireIdle() {
      for (const seat of seats.values()) seat.retire(options.workerIdleMs);
    },

    mendStuck() {
      if (closed) return; // a cycle that was under way when this node let go must open nothing any more
      for (const seat of seats.values()) {
        if (seat.mend()) logger.warn({ deviceId: seat.deviceId }, "a send never came to its end: the device's worker and session were replaced");
      }
    },

    workers: () => workers().map((worker) => worker.stats()),
    worker: (deviceId) => seats.get(deviceId)?.worker()?.stats() ?? null,
    size: () => ({ devices: seats.size, activeWorkers: workers().length }),

    async close() {
      closed = true;
      await Promise.all([...[...closing.values()].map(({ done }) => done), ...[...seats.values()].map((seat) => seat.close())]);
      seats.clear();
      await statusLog.flush();
    },

    abandon() {
      closed = true;
      for (const { seat } of closing.values()) seat.abandon();
      for (const seat of seats.values()) seat.abandon();
    },
  };
}

/** Written out: a device for each of which `flatMap` makes a list costs a cycle of 3,000 devices some milliseconds. */
function definedOf<T, R>(all: Iterable<T>, valueOf: (one: T) => R | null): R[] {
  const values: R[] = [];
  for (const one of all) {
    const value = valueOf(one);
    if (value !== null) values.push(value);
  }
  return values;
}
