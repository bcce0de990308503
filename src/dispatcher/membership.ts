// This process among those that share the database: its beat tells the others that it lives, and theirs tell it who does not. A node's row is its
// lease: each attempt reads it, and deleting it ends whatever the node may still believe.

import type pg from "pg";
import { transaction } from "../db/transaction.ts";
import { disconnected } from "../devices/lasting.ts";
import { appendEvents } from "../events/append.ts";
import { type Clock, SECOND_MS } from "../lib/clock.ts";
import { OperatorError } from "../lib/errors.ts";

export const BEAT_INTERVAL_MS = SECOND_MS;

/** A node whose counter stands still this long, by the observer's monotonic clock, is dead. No two wall clocks are ever compared. */
const DEAD_AFTER_MS = 10 * SECOND_MS;

/** A process whose beat has not been heard for this long lets go of its devices. Who finds it dead opens them a send deadline after DEAD_AFTER_MS at the
 *  earliest; by then none of its sessions may live: of two live ones of a device, each pushes the other out. */
export const LET_GO_AFTER_MS = 15 * SECOND_MS;

/** Which process of which machine this is. */
export interface ProcessIdentity {
  readonly name: string;
  /** True only where the process of that name has surely ended: it has no message on its way to the wire any more. */
  isGone(name: string): boolean;
}

/** What this process tells of itself, in `nodes`. */
export type NodeReport = { readonly devices: number; readonly activeWorkers: number; readonly lastTickAt: Date | null; readonly lastTickMs: number | null };

export type JoinOptions = {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly name: string;
  readonly process: ProcessIdentity;
  /** How many devices it can hold. */
  readonly capacity: number;
};

export interface Membership {
  readonly nodeId: string;
  /** Counts up this node's beat. Returns a number that grows when devices were given to it or asked back, and null where it has been taken for
   *  dead: others may have its devices by now. Throws OperatorError where another process has taken its name. */
  beat(report: NodeReport): Promise<number | null>;
  /** Ends the leases of the nodes whose beat stands still. Returns their names. */
  fenceDead(): Promise<string[]>;
  /** Gives up its devices and leaves. */
  leave(): Promise<void>;
}

type Observed = { readonly beat: number; readonly since: number };

/** Enters this process into `nodes`, in the place of an earlier one of its name. */
export async function joinNodes({ pool, clock, name, process, capacity }: JoinOptions): Promise<Membership> {
  const nodeId = await transaction(pool, async (client) => {
    const { rows: before } = await client.query<{ id: string; process: string }>("DELETE FROM nodes WHERE name = $1 RETURNING id, process", [name]);
    for (const predecessor of before) await client.query(orphan("node_id = $2"), [!process.isGone(predecessor.process), predecessor.id]);
    const { rows } = await client.query<{ id: string }>("INSERT INTO nodes (name, process, capacity) VALUES ($1, $2, $3) RETURNING id", [name, process.name, capacity]);
    if (rows[0] === undefined) throw new Error("the node was not entered");
    return rows[0].id;
  });
  let observed = new Map<string, Observed>();
  let beatenAt = clock.monotonic();

  return {
    nodeId,

    async beat({ devices, activeWorkers, lastTickAt, lastTickMs }) {
      const { rows } = await pool.query<{ orders: number }>(
        `UPDATE nodes SET beat = beat + 1, heartbeat_at = clock_timestamp(), devices = $2, active_workers = $3, last_tick_at = $4, last_tick_ms = $5
          WHERE id = $1 RETURNING orders::int`,
        [nodeId, devices, activeWorkers, lastTickAt, lastTickMs],
      );
      // Who could not beat is no judge of others: after Postgres was away, each would find all the others dead.
      if (clock.monotonic() - beatenAt > 3 * BEAT_INTERVAL_MS) observed = new Map();
      beatenAt = clock.monotonic();
      if (rows[0] !== undefined) return rows[0].orders;
      const { rows: taken } = await pool.query<{ process: string }>("SELECT process FROM nodes WHERE name = $1", [name]);
      // This very process's: it has joined anew, and the answer to that was lost.
      if (taken.every((row) => row.process === process.name)) return null;
      throw new OperatorError(`Another process has started under this one's name, ${name}. Give each process on a database its own RENTAK_NODE_NAME.`);
    },

    async fenceDead() {
      // Before the beats are read: by the time of the answer, this process may have been suspended for minutes.
      const askedAt = clock.monotonic();
      const { rows } = await pool.query<{ id: string; name: string; beat: number }>("SELECT id, name, beat::int FROM nodes WHERE id <> $1", [nodeId]);
      const seenAt = clock.monotonic();
      observed = new Map(
        rows.map(({ id, beat }) => {
          const before = observed.get(id);
          return [id, before?.beat === beat ? before : { beat, since: seenAt }];
        }),
      );
      const dead = rows.filter(({ id }) => askedAt - (observed.get(id)?.since ?? askedAt) >= DEAD_AFTER_MS);
      const fenced: string[] = [];
      for (const { id, name: deadName, beat } of dead) {
        // DELETE waits for the attempts that read the row FOR KEY SHARE, and those that come after find none.
        const { rowCount } = await pool.query("DELETE FROM nodes WHERE id = $1 AND beat = $2", [id, beat]);
        if (rowCount === 1) fenced.push(deadName);
      }
      if (fenced.length > 0) await orphanDevices(pool);
      return fenced;
    },

    async leave() {
      await pool.query("UPDATE devices SET node_id = NULL, wanted_node_id = NULL, spills = true WHERE node_id = $1", [nodeId]);
      await pool.query("DELETE FROM nodes WHERE id = $1", [nodeId]);
    },
  };
}

/** Takes devices from nodes that are no more. A message of theirs may be on its way to the wire yet: their next holder waits for a send deadline. */
export async function orphanDevices(pool: pg.Pool): Promise<void> {
  await pool.query(orphan("node_id IS NOT NULL AND NOT EXISTS (SELECT FROM nodes n WHERE n.id = d.node_id)"), [true]);
}

const OFFLINE = "The process that held it has ended; it goes on in another one.";
const UNPAIRED = "The process that held it ended before it was paired. Call pairDevice again.";

/** `$1`: whether a message of theirs may be on its way. */
const orphan = (whose: string) => `
  WITH before AS MATERIALIZED (SELECT id, status, ${disconnected("status")} AS next_status FROM devices d WHERE ${whose} ORDER BY id FOR UPDATE),
  orphaned AS (
    UPDATE devices d
       SET node_id = NULL, wanted_node_id = NULL, spills = true, quarantined = d.quarantined OR $1, status = b.next_status,
           status_reason = CASE WHEN b.next_status = 'OFFLINE' THEN '${OFFLINE}' WHEN b.status = 'PAIRING' THEN '${UNPAIRED}' ELSE d.status_reason END,
           status_changed_at = CASE WHEN b.next_status = b.status THEN d.status_changed_at ELSE clock_timestamp() END
      FROM before b WHERE d.id = b.id
    RETURNING d.id, d.workspace_id, d.status, b.status AS previous_status, d.status_reason)
  ${appendEvents(["device_id", "status", "previous_status", "reason"], `
      SELECT workspace_id, 'DEVICE_STATUS' AS type, id AS device_id, status, previous_status, status_reason AS reason
        FROM orphaned WHERE previous_status <> status`)}`;
