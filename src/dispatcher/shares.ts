// How much of each workspace's work this node takes in a cycle.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import type { ClaimShare } from "./claim.ts";
import { type Slice, sliceOf, WHOLE } from "./slices.ts";

/** A workspace with devices on this node. */
export type SharedWorkspace = {
  readonly id: string;
  /** The part of its flows that this node reads: all, unless other nodes have devices of it that can send, too. */
  readonly slice: Slice;
  /** This node's part of its hourly ceiling; Infinity where it has none. */
  readonly ceiling: number;
};

type Row = { id: string; hourly_ceiling: number | null; nodes: { id: string; devices: number }[] };

export async function loadShared(pool: pg.Pool, nodeId: string, workspaceIds: readonly string[]): Promise<SharedWorkspace[]> {
  const { rows } = await pool.query<Row>({
    name: "shared_workspaces",
    text: `
      SELECT w.id, w.hourly_ceiling, n.nodes
        FROM unnest($1::uuid[]) AS wanted(id) JOIN workspaces w USING (id)
       CROSS JOIN LATERAL (
         SELECT coalesce(json_agg(json_build_object('id', d.node_id, 'devices', d.devices) ORDER BY d.node_id), '[]') AS nodes
           FROM (SELECT node_id, count(*) AS devices FROM devices
                  WHERE workspace_id = w.id AND node_id IS NOT NULL AND status = 'ONLINE' AND paused_at IS NULL GROUP BY node_id) AS d) AS n`,
    values: [textArray(workspaceIds)],
  });
  return rows.map(({ id, hourly_ceiling, nodes }) => {
    const index = nodes.findIndex((node) => node.id === nodeId);
    const weights = nodes.map((node) => node.devices);
    const all = weights.reduce((sum, weight) => sum + weight, 0);
    return {
      id,
      // Not counted yet, having come online just now: what is read twice costs a lost race at the attempt, and no more.
      slice: index === -1 ? WHOLE : sliceOf(weights, index),
      ceiling: hourly_ceiling === null ? Infinity : Math.floor(hourly_ceiling * (all === 0 ? 1 : (weights[index] ?? 0) / all)),
    };
  });
}

/** Devices of other nodes that have their people to themselves. */
export async function loadForeignKeepers(pool: pg.Pool, nodeId: string, workspaceIds: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>({
    name: "foreign_keepers",
    text: "SELECT id FROM devices WHERE workspace_id = ANY ($2::uuid[]) AND node_id <> $1 AND NOT spills",
    values: [nodeId, textArray(workspaceIds)],
  });
  return rows.map((row) => row.id);
}

/** What each workspace's devices can take. Where that is more than a cycle claims, each gets its part; and none gets more than its hourly ceiling
 *  leaves. `load`: what counts for a workspace's ceiling already. */
export function sharesOf(
  workspaces: readonly SharedWorkspace[],
  takes: ReadonlyMap<string, number>,
  load: (workspaceId: string) => number,
  claimBatch: number,
): ClaimShare[] {
  const wanted = workspaces.flatMap(({ id, slice, ceiling }) => {
    const room = ceiling === Infinity ? Infinity : ceiling - load(id);
    const flows = Math.min(takes.get(id) ?? 0, room);
    return flows >= 1 ? [{ workspaceId: id, slice, flows }] : [];
  });
  if (claimBatch < 1) return [];
  const total = wanted.reduce((sum, { flows }) => sum + flows, 0);
  const part = Math.min(1, claimBatch / total);
  return wanted.map((share) => ({ ...share, flows: Math.max(1, Math.floor(share.flows * part)) }));
}
