// Media on their way from a step to the wire: got ready before the attempt, or not sent at all.

import type pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { workspaceDb } from "../../src/db/workspace.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { saveMedia } from "../../src/media/store.ts";
import type { Preparation } from "../../src/transports/transport.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addSequence, addWorkspace, one, query } from "../support/factories.ts";
import { jpeg, png } from "../support/files.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { createPuppet, type Puppet } from "../support/puppet.ts";

let database: TestDatabase;
let pool: pg.Pool;
let workspaceId: string;
let node: TestNode | undefined;
let puppet: Puppet;
let deviceId: string;

beforeEach(async () => {
  database = await testDatabase();
  pool = database.pool;
  workspaceId = await addWorkspace(pool, { timeZone: "UTC" });
  deviceId = await addDevice(pool, workspaceId, { hourlyLimit: 1000, dailyLimit: 1000 });
  puppet = createPuppet(systemClock);
});
afterEach(async () => {
  await node?.stop();
  node = undefined;
  await database.drop();
});

const keep = async (bytes: Buffer, contentType: string) => (await saveMedia(workspaceDb(pool, workspaceId), { kind: "IMAGE", contentType, bytes, fileName: "" })).id;

async function sequenceWith(mediaId: string, trigger = "picture"): Promise<void> {
  const id = await addSequence(pool, workspaceId, { steps: [{ trigger, text: "Hello" }] });
  await pool.query("UPDATE sequence_steps SET media_id = $2 WHERE sequence_id = $1", [id, mediaId]);
}

type Row = { status: string; failure_code: string | null; failure_message: string | null; text: string | null; media_id: string | null; attempted_at: Date | null };
const flows = () => query<Row>(pool, "SELECT status, failure_code, failure_message, text, media_id, attempted_at FROM flows ORDER BY id");
const start = async (count: number, trigger = "picture") => {
  const ids = await addLeads(pool, workspaceId, count);
  node ??= await startTestNode({ pool, transport: puppet });
  await pool.query("UPDATE leads SET trigger = $2 WHERE id = ANY ($1::uuid[])", [ids, trigger]);
};
const held = () => {
  const waiting: PromiseWithResolvers<Preparation>[] = [];
  puppet.setPreparation(() => {
    const one = Promise.withResolvers<Preparation>();
    waiting.push(one);
    return one.promise;
  });
  return waiting;
};

test("what cannot be got ready fails with the reason, unattempted; the lead goes on", async () => {
  await sequenceWith(await keep(jpeg(), "image/jpeg"));
  puppet.setPreparation(async () => ({ kind: "failed", message: "The servers did not take it." }));
  await start(2);
  await eventually(async () => (await flows()).filter(({ status }) => status === "FAILED").length === 2, "they fail");
  for (const flow of await flows()) expect(flow).toEqual({ status: "FAILED", failure_code: "MEDIA_ERROR", failure_message: "The servers did not take it.", text: null, media_id: null, attempted_at: null });
  expect(puppet.wire).toEqual([]);
  expect(await query(pool, "SELECT DISTINCT status FROM enrollments")).toEqual([{ status: "COMPLETED" }]);
  expect(await query(pool, "SELECT FROM device_attempts")).toEqual([]);
});

test("what is left for later stays in the queue, and goes out once it is ready", async () => {
  await sequenceWith(await keep(jpeg(), "image/jpeg"));
  let asked = 0;
  puppet.setPreparation(async (media) => (++asked < 3 ? { kind: "later" } : { kind: "ready", media: { media, content: null } }));
  await start(1);
  await eventually(async () => (await flows())[0]?.status === "SENT", "it is sent");
  expect(puppet.wire).toMatchObject([{ deviceId, text: "Hello", media: { kind: "IMAGE", contentType: "image/jpeg" } }]);
  expect(asked).toBe(3);
});

test("another picture than the one that was got ready is never sent: the step was changed in between", async () => {
  const [before, after] = [await keep(jpeg(), "image/jpeg"), await keep(png(), "image/png")];
  await sequenceWith(before);
  const preparing = held();
  await start(1);
  await eventually(() => preparing.length === 1, "it is being got ready");
  await pool.query("UPDATE sequence_steps SET media_id = $1", [after]);
  puppet.setPreparation(async (media) => ({ kind: "ready", media: { media, content: null } }));
  const { kind, file_name, content_type, sha256 } = await one<Record<string, string>>(
    pool,
    "SELECT m.kind, m.file_name, c.content_type, encode(m.sha256, 'hex') AS sha256 FROM media m JOIN media_contents c ON c.sha256 = m.sha256 WHERE m.id = $1",
    [before],
  );
  preparing[0]?.resolve({ kind: "ready", media: { media: { id: before, kind: kind as "IMAGE", fileName: file_name ?? "", contentType: content_type ?? "", sha256: sha256 ?? "" }, content: null } });
  await eventually(async () => (await flows())[0]?.status === "SENT", "it is sent");
  expect(puppet.wire.map(({ media }) => media?.id)).toEqual([after]);
  expect((await flows())[0]?.media_id).toBe(after);
});

test("texts of other devices do not wait for pictures, however many of those are being got ready; and a stop does not either", async () => {
  await sequenceWith(await keep(jpeg(), "image/jpeg"));
  await addSequence(pool, workspaceId, { steps: [{ trigger: "text", text: "Hello" }] });
  await Promise.all(Array.from({ length: 20 }, () => addDevice(pool, workspaceId, { hourlyLimit: 1000, dailyLimit: 1000 })));
  const preparing = held();
  node = await startTestNode({ pool, transport: puppet, settings: { sendConcurrency: 1 } });
  await start(10);
  await eventually(() => preparing.length === 10, "ten devices get their picture ready");
  await start(10, "text");
  await eventually(() => puppet.wire.length === 10, "the texts are sent");
  await node.stop();
  node = undefined;
  expect((await flows()).map(({ status }) => status).sort()).toEqual([...Array(10).fill("ACTIVE"), ...Array(10).fill("SENT")]);
});
