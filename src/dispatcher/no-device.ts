// Fails what no device will ever send: of a workspace that has none which could come back by itself.

import type pg from "pg";
import { LASTING_STATUSES } from "../devices/lasting.ts";
import type { Settlement } from "../flows/settle.ts";
import { type Clock, MINUTE_MS } from "../lib/clock.ts";
import { createLoop, type Loop } from "../lib/loop.ts";
import type { Logger } from "../lib/logger.ts";

/** After a start or takeover nothing fails this way: what was deleted may be about to be made anew, or what was logged out to be paired. */
const PATIENCE_MS = 3 * MINUTE_MS;
const BATCH = 2000;

const unsendable = `
  SELECT f.id, EXISTS (SELECT FROM devices d WHERE d.workspace_id = w.id) AS "hasDevices"
    FROM workspaces w
    JOIN lanes a ON a.workspace_id = w.id AND a.paused_at IS NULL AND a.open_from <= statement_timestamp() AND a.open_until > statement_timestamp()
    LEFT JOIN sequences s ON s.id = a.sequence_id     -- a campaign's lane has none, and no grace: what it has not fed yet waits
   CROSS JOIN LATERAL (
     SELECT id FROM flows
      WHERE lane_id = a.id AND queued
        AND due_at <= statement_timestamp() - a.pause_offset - make_interval(mins => coalesce(s.no_device_grace_minutes, 0))
      ORDER BY due_at, id LIMIT ${BATCH}) AS f
   WHERE NOT EXISTS (SELECT FROM devices d WHERE d.workspace_id = w.id AND d.status NOT IN ${LASTING_STATUSES})
   LIMIT ${BATCH}`;

const NO_DEVICE = { kind: "no_device", message: "The workspace has no device." } as const;
const ALL_ENDED = { kind: "no_device", message: "Every device of the workspace is unpaired, logged out, replaced or banned." } as const;

export type NoDeviceOptions = {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
  readonly settleAll: (settlements: readonly Settlement[]) => Promise<void>;
};

/** Once for all workspaces, also those that no node serves. */
export function createNoDeviceSweeper({ pool, clock, logger, intervalMs, settleAll }: NoDeviceOptions): Loop {
  const begunAt = clock.monotonic();
  const cycle = async () => {
    if (clock.monotonic() - begunAt < PATIENCE_MS) return;
    const { rows } = await pool.query<{ id: string; hasDevices: boolean }>(unsendable);
    await settleAll(rows.map(({ id, hasDevices }) => ({ flowId: id, attemptId: null, ending: hasDevices ? ALL_ENDED : NO_DEVICE })));
  };
  return createLoop({ cycle, intervalMs, clock, onError: (error) => logger.error({ err: error }, "flows without a device could not be failed, to be tried again") });
}
