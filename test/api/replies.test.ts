import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import type { Tailer } from "../../src/events/tailer.ts";
import { createBell } from "../../src/events/bell.ts";
import { recordReplies } from "../../src/replies/record.ts";
import { startEventLog } from "../support/event-log.ts";
import { addDevice, addLeads, addWorkspace, one, query } from "../support/factories.ts";
import { sequenceCalls } from "../support/sequences.ts";
import { testServer, type Loose, type TestServer } from "../support/server.ts";

const bell = createBell();
let tailer: Tailer;
let server: TestServer;
let deviceId: string;
beforeAll(async () => {
  server = await testServer(async ({ pool }) => {
    const log = await startEventLog(pool, bell);
    tailer = log.tailer;
    return { events: log.events };
  });
  deviceId = await addDevice(server.database.pool, DEFAULT_WORKSPACE_ID, { name: "Till" });
});
afterAll(async () => {
  await server.stop();
  await tailer.stop();
});

type Given = { readonly workspaceId?: string; readonly leadId?: string | undefined; readonly at?: string };

async function reply(text: string, { workspaceId = DEFAULT_WORKSPACE_ID, leadId, at = "2026-10-01T08:00:00.000Z" }: Given = {}): Promise<void> {
  const { pool } = server.database;
  const phone = leadId === undefined ? null : (await one<{ phone: string }>(pool, "SELECT phone FROM leads WHERE id = $1", [leadId])).phone;
  await recordReplies(pool, [{ workspaceId, deviceId, messageId: randomUUID(), phone, text, at: new Date(at) }]);
  bell.ring("events");
}

const REPLIES = "subscription($after: Cursor) { replies(after: $after) { cursor at text optedOut lead { id lastRepliedAt optedOutAt } device { id name } } }";

describe("the subscription to replies", () => {
  const subscribe = (after?: string, token?: string): AsyncIterableIterator<Loose> => server.webSocket(token).iterate({ query: REPLIES, variables: { after } });
  /** Replies until the first is heard: the subscriber may not listen yet when one is made. */
  async function live(): Promise<{ events: AsyncIterableIterator<Loose>; cursor: string }> {
    const events = subscribe();
    const first = events.next();
    let heard: Loose;
    void first.then(({ value }) => (heard = value));
    while (heard === undefined) {
      await reply("Is anybody there?");
      await Promise.race([first, new Promise((resolve) => setTimeout(resolve, 50))]);
    }
    return { events, cursor: heard.data.replies.cursor };
  }
  const next = async (events: AsyncIterableIterator<Loose>): Promise<Loose> => {
    for (;;) {
      const { data, errors } = (await events.next()).value;
      if (errors) throw new Error(JSON.stringify(errors));
      if (data.replies.text !== "Is anybody there?") return data.replies;
    }
  };

  test("gives what people write, with who and where, and whether it asks to stop", async () => {
    const { events } = await live();
    const [leadId] = await addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, 1);
    await reply("How much is it?", { leadId });
    const at = "2026-10-01T08:00:00.000Z";
    const device = { id: `Device:${deviceId}`, name: "Till" };
    const lead = { id: `Lead:${leadId}`, lastRepliedAt: at, optedOutAt: null };
    expect(await next(events)).toEqual({ cursor: expect.any(String), at, text: "How much is it?", optedOut: false, lead, device });
    await reply("Berhenti!", { leadId, at: "2026-10-01T09:00:00.000Z" });
    expect(await next(events)).toMatchObject({ text: "Berhenti!", optedOut: true, lead: { id: `Lead:${leadId}`, lastRepliedAt: "2026-10-01T09:00:00.000Z", optedOutAt: expect.any(String) } });
    await reply("Who is this?");
    expect(await next(events)).toMatchObject({ text: "Who is this?", lead: null, device });
    await events.return?.();
  });

  test("goes on from a cursor with each that came since, in order; one that is erased has no text", async () => {
    const { events, cursor } = await live();
    await events.return?.();
    const [leadId] = await addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, 1);
    for (const text of ["one", "two", "three"]) await reply(text, { leadId });
    const resumed = subscribe(cursor);
    const seen = [await next(resumed), await next(resumed)];
    expect(seen.map(({ text }) => text)).toEqual(["one", "two"]);
    await resumed.return?.();
    await server.database.pool.query("DELETE FROM replies WHERE text = 'three'");
    const again = subscribe(seen[1].cursor);
    expect(await next(again)).toMatchObject({ at: expect.any(String), text: "", optedOut: false, lead: null, device: { name: "Till" } });
    await again.return?.();
  });

  test("needs no more than READ, and gives nothing of another workspace", async () => {
    const workspaceId = await addWorkspace(server.database.pool);
    const { events, cursor } = await live();
    await events.return?.();
    await reply("A secret");
    const theirs = subscribe(cursor, await server.tokenFor(["READ"], workspaceId));
    await reply("Theirs", { workspaceId });
    expect(await next(theirs)).toMatchObject({ text: "Theirs", device: null });
    await theirs.return?.();
  });
});

describe("the workspace's stop words", () => {
  const FIELDS = "stopWords stopConfirmation";
  const update = async (input: object) => {
    const mutation = `mutation($input: UpdateWorkspaceInput!) { it: updateWorkspace(input: $input) { workspace { ${FIELDS} } userErrors { code message field } } }`;
    const { data, errors } = await server.query(mutation, { input });
    return errors?.[0] ?? data.it;
  };
  const DEFAULT = ["stop", "unsubscribe", "berhenti", "henti", "batal"];

  test("are the languages' own until others are set, and are kept as messages are compared with them", async () => {
    expect((await server.query(`{ viewer { workspace { ${FIELDS} } } }`)).data.viewer.workspace).toEqual({ stopWords: DEFAULT, stopConfirmation: null });
    const set = await update({ stopWords: ["TAMAT!", "tamat", "Take me  off"], stopConfirmation: " Baik. " });
    expect(set).toEqual({ workspace: { stopWords: ["tamat", "take me off"], stopConfirmation: "Baik." }, userErrors: [] });
    const [leadId] = await addLeads(server.database.pool, DEFAULT_WORKSPACE_ID, 1);
    await reply("stop", { leadId });
    const isOut = async () => (await server.query("query($id: ID!) { lead(id: $id) { optedOutAt } }", { id: `Lead:${leadId}` })).data.lead.optedOutAt !== null;
    expect(await isOut()).toBe(false);
    await reply("Take me off, please", { leadId });
    expect(await isOut()).toBe(true);
    expect(await update({ stopWords: DEFAULT, stopConfirmation: null })).toEqual({ workspace: { stopWords: DEFAULT, stopConfirmation: null }, userErrors: [] });
  });

  test.each([
    [{ stopWords: [] }, "At least one stop word must remain, so that people can stop the messages themselves.", ["stopWords"]],
    [{ stopWords: null }, "stopWords cannot be cleared; leave it out to keep it as it is.", ["stopWords"]],
    [{ stopWords: ["stop", "?!"] }, "A stop word needs letters or digits: punctuation and emoji are taken off a message before it is compared.", ["stopWords", "1"]],
    [{ stopConfirmation: "a".repeat(1001) }, "The confirmation has 1001 characters; at most 1,000 are allowed.", ["stopConfirmation"]],
  ])("are refused as %j", async (input, message, field) => {
    expect(await update(input)).toEqual({ workspace: null, userErrors: [{ code: "INVALID", message, field: ["input", ...field] }] });
  });
});

describe("the list of leads", () => {
  test("tells who has replied, and when, and is ordered by it, both ways and over pages", async () => {
    const workspaceId = await addWorkspace(server.database.pool);
    const token = await server.tokenFor(["READ"], workspaceId);
    const ids = await addLeads(server.database.pool, workspaceId, 5);
    await reply("first", { workspaceId, leadId: ids[3], at: "2026-10-01T08:00:00.123Z" });
    await reply("second", { workspaceId, leadId: ids[1], at: "2026-10-02T08:00:00.000Z" });
    const page = async (args: string) => {
      const { data, errors } = await server.query(`{ leads(${args}) { nodes { id lastRepliedAt } pageInfo { startCursor endCursor hasNextPage } } }`, {}, token);
      if (errors) throw new Error(JSON.stringify(errors));
      return { places: data.leads.nodes.map(({ id }: { id: string }) => ids.indexOf(id.slice(5))), info: data.leads.pageInfo, nodes: data.leads.nodes };
    };
    expect((await page("filter: { hasReplied: true }")).places).toEqual([1, 3]);
    expect((await page("filter: { hasReplied: false }")).places).toEqual([0, 2, 4]);
    const newest = await page("first: 1, orderBy: { field: LAST_REPLIED_AT, direction: DESC }");
    expect(newest.nodes).toEqual([{ id: `Lead:${ids[1]}`, lastRepliedAt: "2026-10-02T08:00:00.000Z" }]);
    const rest = await page(`first: 2, after: "${newest.info.endCursor}", orderBy: { field: LAST_REPLIED_AT, direction: DESC }`);
    expect([rest.places, rest.info.hasNextPage]).toEqual([[3, 4], true]);
    const last = await page(`first: 9, after: "${rest.info.endCursor}", orderBy: { field: LAST_REPLIED_AT, direction: DESC }`);
    expect(last.places).toEqual([2, 0]);
    expect((await page(`last: 2, before: "${last.info.startCursor}", orderBy: { field: LAST_REPLIED_AT, direction: DESC }`)).places).toEqual([3, 4]);
    expect((await page("orderBy: { field: LAST_REPLIED_AT, direction: ASC }")).places).toEqual([0, 2, 4, 3, 1]);
  });

  test("by the last reply is read from an index, page by page", async () => {
    const { pool } = server.database;
    const workspaceId = await addWorkspace(pool);
    await pool.query(
      "INSERT INTO leads (workspace_id, phone, last_replied_at) SELECT $1, (60130000000 + n)::text, CASE WHEN n % 10 = 0 THEN now() - n * interval '1 minute' END FROM generate_series(1, 20000) AS n",
      [workspaceId],
    );
    await pool.query("ANALYZE leads");
    const client = await pool.connect();
    await client.query(`BEGIN; SET LOCAL ROLE rentak_api; SET LOCAL app.workspace_id = '${workspaceId}'`);
    const key = "(CASE WHEN last_replied_at IS NULL THEN '-infinity' ELSE last_replied_at END)";
    const plan = await query<{ "QUERY PLAN": string }>(
      client,
      `EXPLAIN SELECT * FROM leads WHERE workspace_id = '${workspaceId}' AND (${key}, id) < ('-infinity'::timestamptz, uuid_v7_floor(now())) ORDER BY ${key} DESC, id DESC LIMIT 21`,
    );
    await client.query("ROLLBACK");
    client.release();
    expect(plan.map((line) => line["QUERY PLAN"]).join("\n")).toContain("Index Scan Backward using leads_workspace_id_last_replied_at");
  });
});

test("a sequence stops on reply unless it says otherwise", async () => {
  const { mutate } = sequenceCalls(server);
  const FIELDS = "sequence { id stopOnReply } userErrors { message field }";
  const create = (input: object) => mutate("createSequence", { input }, { input: "CreateSequenceInput!" }, FIELDS);
  const update = (input: object) => mutate("updateSequence", { input }, { input: "UpdateSequenceInput!" }, FIELDS);
  const { sequence } = await create({ name: "Stops" });
  expect(sequence.stopOnReply).toBe(true);
  expect((await create({ name: "Goes on", stopOnReply: false })).sequence.stopOnReply).toBe(false);
  expect((await update({ id: sequence.id, stopOnReply: false })).sequence.stopOnReply).toBe(false);
  expect((await update({ id: sequence.id, name: "Renamed" })).sequence.stopOnReply).toBe(false);
  expect(await update({ id: sequence.id, stopOnReply: null })).toEqual({
    sequence: null,
    userErrors: [{ message: "stopOnReply cannot be cleared; leave it out to keep it as it is.", field: ["input", "stopOnReply"] }],
  });
});
