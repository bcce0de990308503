// All devices of this process: who is there, who can take how much, and what they are given.

import type pg from "pg";
import pLimit from "p-limit";
import type { FleetView } from "../devices/fleet-view.ts";
import type { StatusLog } from "../devices/status-log.ts";
import type { Clock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Receipt, Transport } from "../transports/transport.ts";
import type { AssignableDevice, Assignment } from "./assign.ts";
import type { ClaimedFlow } from "./claim.ts";
import { type DeviceRow, loadAttempts, loadDevices } from "./device-rows.ts";
import type { SendingDevice, Sent } from "./send.ts";
import { openSeat, type Seat } from "./seat.ts";

export interface Fleet extends FleetView {
  /** Opens, changes and closes sessions so that they are what the devices in Postgres ask for. */
  sync(): Promise<void>;
  /** The devices that take flows now. */
  assignable(): AssignableDevice[];
  give(flows: readonly ClaimedFlow[], assignments: readonly Assignment[]): void;
  /** The flows that wait in workers' queues or are in hand. */
  held(): string[];
  averageSendMs(): number;
  retireIdle(): void;
  size(): { readonly devices: number; readonly activeWorkers: number };
  /** Waits for what is being sent, and disconnects. */
  close(): Promise<void>;
}

export type FleetOptions = {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly random: Random;
  readonly transports: Readonly<Record<DeviceRow["transport"], Transport>>;
  readonly maxDevices: number;
  readonly sendConcurrency: number;
  readonly workerIdleMs: number;
  readonly statusLog: StatusLog;
  readonly send: (flow: ClaimedFlow, device: SendingDevice) => Promise<Sent>;
  readonly onReceipt: (receipt: Receipt) => void;
};

export function createFleet(options: FleetOptions): Fleet {
  const { pool, clock, random, transports, statusLog } = options;
  const seats = new Map<string, Seat>();
  const closing = new Set<Promise<void>>();
  let closed = false;
  const atOnce = pLimit(options.sendConcurrency);

  const open = (row: DeviceRow, history: readonly number[]) =>
    seats.set(
      row.id,
      openSeat({
        row,
        transport: transports[row.transport],
        clock,
        random,
        history,
        // The place is waited for before the attempt: an attempted flow must not spend its deadline in a line.
        send: (flow, device) => atOnce(async () => (closed ? "not attempted" : options.send(flow, device))),
        onStatus: (deviceId, status, reason) => statusLog.add({ deviceId, status, reason }),
        onReceipt: options.onReceipt,
      }),
    );

  const workers = () => [...seats.values()].flatMap((seat) => seat.worker() ?? []);

  return {
    async sync() {
      const rows = await loadDevices(pool, options.maxDevices);
      const present = new Set(rows.map((row) => row.id));
      for (const seat of [...seats.values()].filter(({ deviceId }) => !present.has(deviceId))) {
        seats.delete(seat.deviceId);
        // Not awaited: a message of it that takes its time must not hold up the cycle of all the others.
        const gone = seat.close().finally(() => closing.delete(gone));
        closing.add(gone);
      }
      for (const row of rows) seats.get(row.id)?.update(row);
      const added = rows.filter((row) => !seats.has(row.id));
      if (added.length === 0) return;
      const attempts = await loadAttempts(pool, added.map((row) => row.id), clock.now);
      for (const row of added) open(row, attempts.get(row.id) ?? []);
    },

    assignable: () => [...seats.values()].flatMap((seat) => seat.assignable() ?? []),

    give(flows, assignments) {
      const flowOf = new Map(flows.map((flow) => [flow.id, flow]));
      for (const [deviceId, given] of Map.groupBy(assignments, (assignment) => assignment.deviceId)) {
        seats.get(deviceId)?.give(given.flatMap(({ flowId }) => flowOf.get(flowId) ?? []));
      }
    },

    held: () => workers().flatMap((worker) => worker.held()),

    averageSendMs() {
      const averages = workers().flatMap((worker) => worker.stats().averageSendMs ?? []);
      return averages.length === 0 ? 0 : averages.reduce((sum, ms) => sum + ms, 0) / averages.length;
    },

    retireIdle() {
      for (const seat of seats.values()) seat.retire(options.workerIdleMs);
    },

    worker: (deviceId) => seats.get(deviceId)?.worker()?.stats() ?? null,
    size: () => ({ devices: seats.size, activeWorkers: workers().length }),

    async close() {
      closed = true; // what stands in line for its turn is not begun any more
      await Promise.all([...closing, ...[...seats.values()].map((seat) => seat.close())]);
      seats.clear();
      await statusLog.flush();
    },
  };
}
