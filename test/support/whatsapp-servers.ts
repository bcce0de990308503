// Servers in processes of their own, and devices that are linked with the fake WhatsApp already: what is killed, suspended and looked through.

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { systemClock } from "../../src/lib/clock.ts";
import { createAuthStore } from "../../src/transports/whatsapp/auth-store.ts";
import { openSealing, type Sealing } from "../../src/transports/whatsapp/encryption-key.ts";
import { credentialsPlace, keyPlace } from "../../src/transports/whatsapp/places.ts";
import { type TestDatabase, testDatabase } from "./database.ts";
import { one, query } from "./factories.ts";
import { createFakeWhatsapp, type FakeWhatsapp } from "./fake-whatsapp/fake.ts";
import { freePort, ROOT, type ServerProcess, startServerProcess } from "./server-process.ts";

export const WORKSPACE = "01900000-0000-7000-8000-000000000001";

/** The launcher's: a quarter less to do at each start. */
const NODE_COMPILE_CACHE = join(ROOT, "node_modules/.cache/rentak");

/** `text` is JSON, or raw bytes where it holds a key and nothing else. */
export type Opened = { readonly deviceId: string; readonly text: string };

export type WhatsappServers = {
  readonly fake: FakeWhatsapp;
  readonly database: TestDatabase;
  /** The servers' own. */
  readonly sealing: Sealing;
  /** A device that this number has linked before; for the first server to take. */
  addLinked(phone: string, workspaceId?: string): Promise<string>;
  /** What is sealed in these tables, opened: credentials and keys of all devices. */
  openAll(): Promise<Opened[]>;
  /** Resolves once the server answers. Without PORT it is given a free one. */
  start(settings?: Readonly<Record<string, string>>): Promise<ServerProcess>;
  stop(): Promise<void>;
};

/** `key`: what they seal with. */
export async function whatsappServers(common: Readonly<Record<string, string>> = {}, key = randomBytes(32)): Promise<WhatsappServers> {
  const fake = await createFakeWhatsapp();
  const database = await testDatabase();
  const { pool } = database;
  const folder = await mkdtemp(join(tmpdir(), "rentak-whatsapp-"));
  const sealing = await openSealing(pool, { keys: [key], origin: "the test" });
  const authStore = createAuthStore({ pool, ...sealing, clock: systemClock });
  /** Also those that do not answer yet, when a test gives up. */
  const starts: Promise<ServerProcess>[] = [];

  return {
    fake,
    database,
    sealing,
    async addLinked(phone, workspaceId = WORKSPACE) {
      const { creds, preKeys } = fake.link(phone, { preKeys: 20 });
      // Keys are written by whoever holds the device: as of a node that has gone since.
      const { deviceId, nodeId } = await one<{ deviceId: string; nodeId: string }>(
        pool,
        `INSERT INTO devices (workspace_id, name, transport, status, hourly_limit, node_id) VALUES ($1, 'Device', 'WHATSAPP', 'OFFLINE', 1000, uuid_v7())
         RETURNING id AS "deviceId", node_id AS "nodeId"`,
        [workspaceId],
      );
      const auth = authStore.open({ deviceId, workspaceId, nodeId });
      await auth.creds.save(creds);
      await auth.keys.set({ "pre-key": preKeys });
      await pool.query("UPDATE devices SET node_id = NULL WHERE id = $1", [deviceId]);
      return deviceId;
    },
    openAll: () => openAll(pool, sealing),
    async start(settings = {}) {
      const started = startServerProcess({
        PORT: settings["PORT"] ?? String(await freePort()),
        DATABASE_URL: database.url,
        RENTAK_DATA_DIR: folder,
        RENTAK_ADMIN_TOKEN: "rtk_a-token-of-these-tests",
        RENTAK_ENCRYPTION_KEY: key.toString("base64"),
        RENTAK_DISPATCH_INTERVAL_MS: "100",
        RENTAK_MIN_STEP_DELAY_HOURS: "0",
        WHATSAPP_URL: fake.url,
        WHATSAPP_ROOT_KEY: fake.rootKey,
        NODE_COMPILE_CACHE,
        ...common,
        ...settings,
      });
      starts.push(started);
      return started;
    },
    async stop() {
      await Promise.allSettled(starts.map(async (started) => (await started).end("SIGKILL")));
      await fake.stop();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

type Row = { readonly workspaceId: string; readonly deviceId: string; readonly name: Buffer | null; readonly sealed: Buffer };

async function openAll(pool: pg.Pool, { sealer }: Sealing): Promise<Opened[]> {
  const rows = await query<Row>(
    pool,
    `SELECT workspace_id AS "workspaceId", device_id AS "deviceId", name, sealed FROM whatsapp_keys
      UNION ALL
     SELECT workspace_id, device_id, NULL, sealed FROM whatsapp_credentials`,
  );
  return rows.map((row) => ({ deviceId: row.deviceId, text: sealer.open(row.sealed, row.name === null ? credentialsPlace(row) : keyPlace(row, row.name)).toString("latin1") }));
}
