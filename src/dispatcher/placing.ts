// Gives devices to nodes. The coordinator alone does this: what nobody holds is given at once; what a live node holds, it is asked to hand over.

import type pg from "pg";
import { orphanDevices } from "./membership.ts";
import { type Holding, type Move, type PlacementNode, planMoves } from "./placement.ts";

// In one statement, so that nodes and devices are of one moment. A device that is being handed over counts where it goes.
const situation = `
  SELECT (SELECT coalesce(json_agg(json_build_object('id', id, 'capacity', capacity) ORDER BY id), '[]') FROM nodes) AS nodes,
         (SELECT coalesce(json_agg(json_build_object('workspaceId', h.workspace_id, 'nodeId', h.holder, 'devices', h.devices) ORDER BY h.workspace_id, h.holder), '[]')
            FROM (SELECT workspace_id, coalesce(wanted_node_id, node_id) AS holder, count(*) AS devices FROM devices GROUP BY 1, 2) AS h) AS holdings`;

const give = `
  WITH given AS (
    UPDATE devices SET node_id = $2
     WHERE id IN (SELECT id FROM devices WHERE workspace_id = $1 AND node_id IS NULL ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING node_id)
  UPDATE nodes SET orders = orders + 1 WHERE id IN (SELECT node_id FROM given)`;

const askBack = `
  WITH asked AS (
    UPDATE devices SET wanted_node_id = $2
     WHERE id IN (SELECT id FROM devices WHERE workspace_id = $1 AND node_id = $4 AND wanted_node_id IS NULL ORDER BY id DESC LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING node_id)
  UPDATE nodes SET orders = orders + 1 WHERE id IN (SELECT node_id FROM asked)`;

/** Makes the moves that are due. Returns how many. */
export async function placeDevices(pool: pg.Pool): Promise<number> {
  await orphanDevices(pool);
  const { rows } = await pool.query<{ nodes: PlacementNode[]; holdings: Holding[] }>(situation);
  const moves = planMoves(rows[0]?.nodes ?? [], rows[0]?.holdings ?? []);
  for (const move of moves) await make(pool, move);
  return moves.length;
}

const make = (pool: pg.Pool, { workspaceId, from, to, devices }: Move) =>
  from === null ? pool.query(give, [workspaceId, to, devices]) : pool.query(askBack, [workspaceId, to, devices, from]);
