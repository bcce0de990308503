// Credentials, keys and inbox in Postgres: one statement writes what many devices have to write, one reads what they ask for.

import type pg from "pg";
import { plainColumn, textArray } from "../../db/arrays.ts";

export type DeviceRows = {
  readonly deviceId: string;
  readonly nodeId: string;
  readonly credentials: Buffer | undefined;
  readonly keys: readonly { readonly name: Buffer; /** Null deletes. */ readonly sealed: Buffer | null }[];
  readonly inbox: readonly { readonly messageId: string; readonly sealed: Buffer }[];
};

const write = `
  WITH mine AS MATERIALIZED (                  -- who takes the devices of a node that seems dead holds their rows FOR UPDATE: it waits until this has
    SELECT d.id, d.workspace_id                -- committed, and what comes later finds the device with another node, or gone. A ratchet that two nodes
      FROM unnest($1::uuid[], $2::uuid[]) AS w(device_id, node_id)          -- write is lost to both.
      JOIN devices d ON d.id = w.device_id AND d.node_id = w.node_id
     ORDER BY d.id FOR KEY SHARE OF d),
  deleted AS (
    DELETE FROM whatsapp_keys k USING mine m, unnest($3::uuid[], $4::bytea[]) AS w(device_id, name)
     WHERE m.id = w.device_id AND k.device_id = w.device_id AND k.name = w.name),
  kept AS (
    INSERT INTO whatsapp_keys (device_id, workspace_id, name, sealed)
    SELECT m.id, m.workspace_id, w.name, w.sealed FROM unnest($5::uuid[], $6::bytea[], $7::bytea[]) AS w(device_id, name, sealed) JOIN mine m ON m.id = w.device_id
        ON CONFLICT (device_id, name) DO UPDATE SET sealed = excluded.sealed),
  credentials AS (
    INSERT INTO whatsapp_credentials (device_id, workspace_id, sealed)
    SELECT m.id, m.workspace_id, w.sealed FROM unnest($8::uuid[], $9::bytea[]) AS w(device_id, sealed) JOIN mine m ON m.id = w.device_id
        ON CONFLICT (device_id) DO UPDATE SET sealed = excluded.sealed, updated_at = clock_timestamp()),
  received AS (
    INSERT INTO whatsapp_inbox (device_id, workspace_id, message_id, sealed)
    SELECT m.id, m.workspace_id, w.message_id, w.sealed FROM unnest($10::uuid[], $11::text[], $12::bytea[]) AS w(device_id, message_id, sealed) JOIN mine m ON m.id = w.device_id
        ON CONFLICT (device_id, message_id) DO NOTHING)      -- it is delivered again until its receipt has gone out
  SELECT id FROM mine`;

/** Returns the devices that their nodes hold: nothing is written for the others. Each device once. */
export async function writeRows(pool: pg.Pool, devices: readonly DeviceRows[]): Promise<Set<string>> {
  const keys = devices.flatMap(({ deviceId, keys }) => keys.map(({ name, sealed }) => ({ deviceId, name, sealed })));
  const deleted = keys.filter(({ sealed }) => sealed === null);
  const kept = keys.flatMap(({ deviceId, name, sealed }) => (sealed === null ? [] : [{ deviceId, name, sealed }]));
  const credentials = devices.flatMap(({ deviceId, credentials }) => (credentials === undefined ? [] : [{ deviceId, sealed: credentials }]));
  const received = devices.flatMap(({ deviceId, inbox }) => inbox.map(({ messageId, sealed }) => ({ deviceId, messageId, sealed })));
  const { rows } = await pool.query<{ id: string }>({
    name: "whatsapp_write",
    text: write,
    values: [
      plainColumn(devices, ({ deviceId }) => deviceId),
      plainColumn(devices, ({ nodeId }) => nodeId),
      plainColumn(deleted, ({ deviceId }) => deviceId),
      plainColumn(deleted, ({ name }) => bytes(name)),
      plainColumn(kept, ({ deviceId }) => deviceId),
      plainColumn(kept, ({ name }) => bytes(name)),
      plainColumn(kept, ({ sealed }) => bytes(sealed)),
      plainColumn(credentials, ({ deviceId }) => deviceId),
      plainColumn(credentials, ({ sealed }) => bytes(sealed)),
      plainColumn(received, ({ deviceId }) => deviceId),
      textArray(received.map(({ messageId }) => messageId)),
      plainColumn(received, ({ sealed }) => bytes(sealed)),
    ],
  });
  return new Set(rows.map(({ id }) => id));
}

/** As an array literal has it. */
const bytes = (value: Buffer) => `\\\\x${value.toString("hex")}`;

export type KeyName = { readonly deviceId: string; readonly name: Buffer };

/** What is kept under each name, in the order of the names. */
export async function readKeys(pool: pg.Pool, names: readonly KeyName[]): Promise<(Buffer | undefined)[]> {
  const { rows } = await pool.query<{ place: number; sealed: Buffer }>({
    name: "whatsapp_read",
    text: `SELECT w.place::int AS place, k.sealed
             FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS w(device_id, name, place)
             JOIN whatsapp_keys k ON k.device_id = w.device_id AND k.name = w.name`,
    values: [plainColumn(names, ({ deviceId }) => deviceId), plainColumn(names, ({ name }) => bytes(name))],
  });
  const sealed = new Map(rows.map((row) => [row.place - 1, row.sealed]));
  return names.map((_, index) => sealed.get(index));
}

/** Those of each device, in the order of the ids. */
export async function readCredentials(pool: pg.Pool, deviceIds: readonly string[]): Promise<(Buffer | undefined)[]> {
  const { rows } = await pool.query<{ id: string; sealed: Buffer }>({
    name: "whatsapp_credentials",
    text: "SELECT device_id AS id, sealed FROM whatsapp_credentials WHERE device_id = ANY ($1::uuid[])",
    values: [plainColumn(deviceIds, (id) => id)],
  });
  const sealed = new Map(rows.map((row) => [row.id, row.sealed]));
  return deviceIds.map((id) => sealed.get(id));
}

/** False where the device is not the node's: then nothing is forgotten. */
export async function forgetDevice(pool: pg.Pool, deviceId: string, nodeId: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `WITH mine AS MATERIALIZED (SELECT id FROM devices WHERE id = $1 AND node_id = $2 FOR KEY SHARE),
     keys AS (DELETE FROM whatsapp_keys WHERE device_id IN (SELECT id FROM mine)),
     credentials AS (DELETE FROM whatsapp_credentials WHERE device_id IN (SELECT id FROM mine))
     SELECT FROM mine`,
    [deviceId, nodeId],
  );
  return rowCount === 1;
}

export type InboxRow = { readonly id: number; readonly workspaceId: string; readonly deviceId: string; readonly messageId: string; readonly receivedAt: Date; readonly sealed: Buffer };

export async function readInbox(pool: pg.Pool, nodeId: string, limit: number): Promise<InboxRow[]> {
  const { rows } = await pool.query<InboxRow>({
    name: "whatsapp_inbox",
    text: `SELECT i.id, i.workspace_id AS "workspaceId", i.device_id AS "deviceId", i.message_id AS "messageId", i.received_at AS "receivedAt", i.sealed
             FROM whatsapp_inbox i JOIN devices d ON d.id = i.device_id
            WHERE d.node_id = $1 ORDER BY i.id LIMIT $2`,
    values: [nodeId, limit],
  });
  return rows;
}

export async function removeFromInbox(pool: pg.Pool, ids: readonly number[]): Promise<void> {
  await pool.query("DELETE FROM whatsapp_inbox WHERE id = ANY ($1::bigint[])", [plainColumn(ids, (id) => id)]);
}
