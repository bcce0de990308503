import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createOptOutHash, keepOptOut, restoreOptOuts } from "../../src/leads/screen.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { createSealer } from "../../src/lib/sealing.ts";
import { createAuthStore } from "../../src/transports/whatsapp/auth-store.ts";
import { openSealing } from "../../src/transports/whatsapp/encryption-key.ts";
import { secretsOf } from "../../src/webhooks/endpoints.ts";
import { secretPlace } from "../../src/webhooks/sealed.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { addWorkspace, one, query } from "../support/factories.ts";

const tool = fileURLToPath(new URL("../../src/reseal.ts", import.meta.url));
const [old, anew] = [randomBytes(32), randomBytes(32)];
let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

async function reseal(url: string, ...keys: Buffer[]) {
  const env = { PATH: process.env["PATH"], DATABASE_URL: url, RENTAK_ENCRYPTION_KEY: keys.map((key) => key.toString("base64")).join(",") };
  const child = spawn(process.execPath, [tool], { env });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code: child.exitCode, output, errors };
}

async function openWith(...keys: Buffer[]) {
  const { pool } = database;
  const sealing = await openSealing(pool, { keys, origin: "the test" });
  const [device] = await query<{ id: string; workspace_id: string; node_id: string }>(pool, "SELECT id, workspace_id, node_id FROM devices");
  if (device === undefined) throw new Error("there is no device");
  return createAuthStore({ pool, ...sealing, clock: systemClock }).open({ deviceId: device.id, workspaceId: device.workspace_id, nodeId: device.node_id });
}

test("after an exchange of keys all is sealed anew, and the older key can go; with the older key alone nothing opens any more", async () => {
  const { pool } = database;
  const node = await one<{ id: string }>(pool, "INSERT INTO nodes (name) VALUES ('test') RETURNING id");
  await pool.query("INSERT INTO devices (name, transport, node_id) VALUES ('Device', 'WHATSAPP', $1)", [node.id]);
  const names = Array.from({ length: 1200 }, (_, n) => [`6012345${n}.0`, new Uint8Array([n & 255])] as const);
  await (await openWith(old)).keys.set({ "identity-key": Object.fromEntries(names) });

  expect(await reseal(database.url, anew)).toMatchObject({ code: 1, errors: expect.stringContaining("sealed with another key") });
  expect(await reseal(database.url, anew, old)).toMatchObject({ code: 0, errors: "", output: expect.stringContaining("1,200 sealed anew. The older keys can go.") });
  expect(await reseal(database.url, anew, old)).toMatchObject({ code: 0, output: expect.stringContaining(" 0 sealed anew.") });
  const found = await (await openWith(anew)).keys.get("identity-key", ["60123457.0", "60123451199.0"]);
  expect(Object.keys(found)).toHaveLength(2);
  await expect(openWith(old)).rejects.toThrow(/another key/);
});

test("who had opted out before being erased is still known after an exchange of keys", async () => {
  const { pool } = database;
  const workspaceId = await addWorkspace(pool);
  const hashWith = async (...keys: Buffer[]) => createOptOutHash((await openSealing(pool, { keys, origin: "the test" })).nameHash);
  const phone = "60123456789";
  await keepOptOut(pool, await hashWith(anew), workspaceId, phone);
  const newest = randomBytes(32);
  expect(await reseal(database.url, newest, anew)).toMatchObject({ code: 0 });
  await pool.query("INSERT INTO leads (workspace_id, phone) VALUES ($1, $2)", [workspaceId, phone]);
  await restoreOptOuts(pool, await hashWith(newest), workspaceId, [phone]);
  expect(await query(pool, "SELECT opt_out_reason FROM leads WHERE phone = $1 AND opted_out_at IS NOT NULL", [phone])).toEqual([{ opt_out_reason: "opted out before being erased" }]);
});

test("the secrets of webhooks are sealed anew, the one of before too", async () => {
  const [before, newest] = [randomBytes(32), randomBytes(32)];
  const fresh = await testDatabase();
  try {
    const workspaceId = await addWorkspace(fresh.pool);
    const id = "0198c7e2-5d4f-7cc1-a5a5-0123456789ab";
    const { sealer } = await openSealing(fresh.pool, { keys: [before], origin: "the test" });
    const sealed = ["whsec_new", "whsec_old"].map((secret) => sealer.seal(Buffer.from(secret), secretPlace(workspaceId, id)));
    await fresh.pool.query(
      "INSERT INTO webhook_endpoints (id, workspace_id, url, description, event_types, sealed_secret, sealed_previous, previous_until, position) VALUES ($1, $2, '', '', '{LEAD}', $3, $4, now(), '')",
      [id, workspaceId, ...sealed],
    );
    expect(await reseal(fresh.url, newest, before)).toMatchObject({ code: 0, output: expect.stringContaining("2 sealed anew") });
    const row = await one<{ sealedSecret: Buffer; sealedPrevious: Buffer }>(fresh.pool, `SELECT sealed_secret AS "sealedSecret", sealed_previous AS "sealedPrevious" FROM webhook_endpoints`);
    expect(secretsOf(createSealer([newest]), { workspaceId, endpointId: id, ...row })).toEqual(["whsec_new", "whsec_old"]);
  } finally {
    await fresh.drop();
  }
});
