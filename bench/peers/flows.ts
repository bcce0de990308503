// What the peers of `npm run bench -- api` have in common: the tables, read through one pool of Rentak's size by statements that Postgres keeps
// prepared, and how they tell where they listen. Each runs in a process of its own: node <peer>.ts <address of Postgres> [jit].

import pg from "pg";

export type Flow = { readonly id: string; readonly text: string; readonly status: string; readonly deviceId: string };
export type Device = { readonly id: string; readonly name: string };

/** As many as Rentak has by default. */
export const CONNECTIONS = 20;

const FLOWS = `SELECT id, text, status, device_id AS "deviceId" FROM flows ORDER BY id DESC LIMIT $1`;
const DEVICES = "SELECT id, name FROM devices WHERE id = ANY ($1::uuid[])";

export const SDL = `
  type Device { id: ID! name: String! }
  type Flow { id: ID! text: String status: String! device: Device }
  type FlowConnection { nodes: [Flow!]! }
  type Query { flows(first: Int!): FlowConnection! }`;

export const [, , DATABASE_URL = "", VARIANT = ""] = process.argv;

export interface Tables {
  newestFlows(first: number): Promise<Flow[]>;
  /** In the order of `ids`. */
  devices(ids: readonly string[]): Promise<(Device | null)[]>;
}

export function openTables(): Tables {
  const pool = new pg.Pool({ connectionString: DATABASE_URL, max: CONNECTIONS });
  return {
    newestFlows: async (first) => (await pool.query<Flow>({ name: "flows", text: FLOWS, values: [first] })).rows,
    async devices(ids) {
      const { rows } = await pool.query<Device>({ name: "devices", text: DEVICES, values: [[...new Set(ids)]] });
      const byId = new Map(rows.map((device) => [device.id, device]));
      return ids.map((id) => byId.get(id) ?? null);
    },
  };
}

/** Tells the bench, and ends when the bench does. */
export function listening(url: string): void {
  process.once("disconnect", () => process.exit(0));
  process.send?.(url);
}
