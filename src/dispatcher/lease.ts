// One node dispatches at a time. The others stand by, serve the API, and take over within seconds when it dies.

import type pg from "pg";
import { transaction } from "../db/transaction.ts";
import { type Clock, SECOND_MS } from "../lib/clock.ts";
import { OperatorError } from "../lib/errors.ts";

export const BEAT_INTERVAL_MS = 2 * SECOND_MS;

/** A node whose counter stands still this long, by the observer's monotonic clock, is dead. No two wall clocks are ever compared. */
const DEAD_AFTER_MS = 10 * SECOND_MS;

export type Lease = { readonly nodeId: string; readonly epoch: number };

/** `from`: whom it was taken from. "nobody" where it was free; "predecessor" where it was an earlier process of this very name, which is gone since
 *  we have its port; "dead" where another stood still, and may have a message on its way to the wire yet. */
export type Takeover = { readonly lease: Lease; readonly from: "nobody" | "predecessor" | "dead" };

/** What this process tells of itself, in `nodes`. */
export type NodeReport = { readonly devices: number; readonly activeWorkers: number; readonly lastTickAt: Date | null; readonly lastTickMs: number | null };

export interface Membership {
  /** Counts up this node's beat. Returns the epoch in which it holds the lease, null where it does not. Throws OperatorError where another
   *  process has taken its name. */
  beat(report: NodeReport): Promise<number | null>;
  /** Takes the lease where it is free or its holder is dead; null where somebody lives who has it. */
  takeOver(): Promise<Takeover | null>;
  /** Gives up the lease and leaves. */
  leave(): Promise<void>;
}

type Holder = { node_id: string | null; name: string | null; beat: number | null };

/** Enters this process into `nodes` under its name, in the place of an earlier one of that name. */
export async function joinNodes(pool: pg.Pool, name: string, clock: Clock): Promise<Membership> {
  const nodeId = await transaction(pool, async (client) => {
    await client.query("DELETE FROM nodes WHERE name = $1", [name]);
    const { rows } = await client.query<{ id: string }>("INSERT INTO nodes (name) VALUES ($1) RETURNING id", [name]);
    if (rows[0] === undefined) throw new Error("the node was not entered");
    return rows[0].id;
  });
  let observed: { nodeId: string; beat: number; since: number } | undefined;

  /** `askedAt`: before the beat was read. By the time of the answer, this process may have been suspended for minutes. */
  const isDead = (holderId: string, beat: number, askedAt: number) => {
    if (observed?.nodeId !== holderId || observed.beat !== beat) observed = { nodeId: holderId, beat, since: clock.monotonic() };
    return askedAt - observed.since >= DEAD_AFTER_MS;
  };

  const judge = ({ node_id, name: holderName, beat }: Holder, askedAt: number): Takeover["from"] | null => {
    if (node_id === null) return "nobody";
    // Its row was replaced by ours, or was swept away long after it died.
    if (holderName === null || beat === null) return "predecessor";
    return isDead(node_id, beat, askedAt) ? "dead" : null;
  };

  return {
    async beat({ devices, activeWorkers, lastTickAt, lastTickMs }) {
      const { rows } = await pool.query<{ epoch: number | null }>(
        `UPDATE nodes SET beat = beat + 1, heartbeat_at = clock_timestamp(), devices = $2, active_workers = $3, last_tick_at = $4, last_tick_ms = $5 WHERE id = $1
         RETURNING (SELECT epoch::int FROM dispatch_lease WHERE node_id = $1) AS epoch`,
        [nodeId, devices, activeWorkers, lastTickAt, lastTickMs],
      );
      if (rows[0] === undefined) {
        throw new OperatorError(`Another process has started under this one's name, ${name}. Give each process on a database its own RENTAK_NODE_NAME.`);
      }
      return rows[0].epoch;
    },

    async takeOver() {
      const askedAt = clock.monotonic();
      const { rows } = await pool.query<Holder>("SELECT l.node_id, n.name, n.beat FROM dispatch_lease l LEFT JOIN nodes n ON n.id = l.node_id");
      const holder = rows[0];
      if (holder === undefined) throw new Error("the row of dispatch_lease is gone");
      const from = judge(holder, askedAt);
      if (from === null) return null;
      return transaction(pool, async (client) => {
        // FOR UPDATE waits for the attempts that are committing under the old epoch, and holds back those that would come after.
        const locked = await client.query<{ node_id: string | null }>("SELECT node_id FROM dispatch_lease FOR UPDATE");
        if (locked.rows[0]?.node_id !== holder.node_id) return null;
        const { rows: taken } = await client.query<{ epoch: number }>(
          // Everything of the limits' 25 hours is searched once for attempts that nobody settled.
          `UPDATE dispatch_lease SET node_id = $1, epoch = epoch + 1, settled_until = least(settled_until, clock_timestamp() - interval '25 hours') RETURNING epoch::int`,
          [nodeId],
        );
        if (taken[0] === undefined) throw new Error("the row of dispatch_lease is gone");
        await client.query("DELETE FROM nodes WHERE heartbeat_at < clock_timestamp() - interval '1 minute' AND id <> $1", [nodeId]);
        return { lease: { nodeId, epoch: taken[0].epoch }, from };
      });
    },

    async leave() {
      await pool.query("UPDATE dispatch_lease SET node_id = NULL WHERE node_id = $1", [nodeId]);
      await pool.query("DELETE FROM nodes WHERE id = $1", [nodeId]);
    },
  };
}
