// How much of each workspace's work this node takes in a cycle.

import type pg from "pg";
import { textArray } from "../db/arrays.ts";
import { IS_RESTRICTED } from "../devices/restriction.ts";
import type { ClaimShare } from "./claim.ts";
import { type Slice, sliceOf, WHOLE } from "./slices.ts";

/** A workspace with devices on this node. */
export type SharedWorkspace = {
  readonly id: string;
  /** The part of its flows that this node reads: all, unless other nodes have devices of it that can send, too. */
  readonly slice: Slice;
  /** What its hourly ceiling leaves now, for all nodes: the attempt decides who takes it. Infinity where it has none. */
  readonly room: number;
  /** Its first contacts are held. */
  readonly isHeld: boolean;
  /** Its restricted devices, whichever node holds them. */
  readonly restricted: readonly string[];
};

type Row = { id: string; room: number | null; isHeld: boolean; restricted: string[]; nodes: { id: string; devices: number }[] };

export async function loadShared(pool: pg.Pool, nodeId: string, workspaceIds: readonly string[]): Promise<SharedWorkspace[]> {
  const { rows } = await pool.query<Row>({
    name: "shared_workspaces",
    text: `
      SELECT w.id, CASE WHEN w.hourly_ceiling IS NOT NULL THEN w.hourly_ceiling - hour_attempts(w.id) END AS room, n.nodes, w.first_contacts_held_at IS NOT NULL AS "isHeld",
             ARRAY(SELECT d.id::text FROM devices d WHERE d.workspace_id = w.id AND d.restricted_until IS NOT NULL AND ${IS_RESTRICTED}) AS restricted
        FROM unnest($1::uuid[]) AS wanted(id) JOIN workspaces w USING (id)
       CROSS JOIN LATERAL (
         SELECT coalesce(json_agg(json_build_object('id', d.node_id, 'devices', d.devices) ORDER BY d.node_id), '[]') AS nodes
           FROM (SELECT node_id, count(*) AS devices FROM devices
                  WHERE workspace_id = w.id AND node_id IS NOT NULL AND status = 'ONLINE' AND paused_at IS NULL GROUP BY node_id) AS d) AS n`,
    values: [textArray(workspaceIds)],
  });
  return rows.map(({ nodes, room, ...workspace }) => {
    const index = nodes.findIndex((node) => node.id === nodeId);
    const weights = nodes.map((node) => node.devices);
    return {
      ...workspace,
      // Not counted yet, having come online just now: what is read twice costs a lost race at the attempt, and no more.
      slice: index === -1 ? WHOLE : sliceOf(weights, index),
      room: room ?? Infinity,
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
 *  leaves. `held`: the flows of a workspace that wait for their attempt here already. */
export function sharesOf(
  workspaces: readonly SharedWorkspace[],
  takes: ReadonlyMap<string, number>,
  held: (workspaceId: string) => number,
  claimBatch: number,
): ClaimShare[] {
  const wanted = workspaces.flatMap(({ id, slice, room }) => {
    const flows = Math.min(takes.get(id) ?? 0, room - held(id));
    return flows >= 1 ? [{ workspaceId: id, slice, flows }] : [];
  });
  if (claimBatch < 1) return [];
  const total = wanted.reduce((sum, { flows }) => sum + flows, 0);
  const part = Math.min(1, claimBatch / total);
  return wanted.map((share) => ({ ...share, flows: Math.max(1, Math.floor(share.flows * part)) }));
}
