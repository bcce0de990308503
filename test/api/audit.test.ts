// Who has changed what.

import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { addWorkspace, query } from "../support/factories.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let tokenId: string;
beforeAll(async () => {
  server = await testServer();
  tokenId = (await server.query("{ viewer { token { id } } }")).data.viewer.token.id;
});
afterAll(() => server.stop());

const entries = async (secret?: string): Promise<Loose[]> => (await server.query("{ auditLog(first: 100) { nodes { at operation subjects fields result token { id } } } }", {}, secret)).data.auditLog.nodes;
/** What has been noted while that was done, the oldest first. */
async function notedBy(work: () => Promise<unknown>): Promise<Loose[]> {
  const before = (await entries()).length;
  await work();
  const after = await entries();
  return after.slice(0, after.length - before).toReversed();
}

const create = (input: Record<string, unknown>) => server.query("mutation ($input: LeadInput!) { createLead(input: $input, idempotencyKey: null) { lead { id } userErrors { code } } }", { input });

test("a call that changes something is noted with its token, what it was about, and the names of the fields; none of their values", async () => {
  let id = "";
  const noted = await notedBy(async () => {
    ({ id } = (await create({ phone: "+60123456700", name: "Siti CANARY", attributes: { city: "CANARY" } })).data.createLead.lead);
    await server.query("mutation ($input: UpdateLeadInput!) { updateLead(input: $input) { userErrors { code } } }", { input: { id, name: "Siti CANARY binti" } });
  });
  expect(noted).toEqual([
    { at: expect.any(String), operation: "createLead", subjects: [], fields: ["attributes", "name", "phone"], result: id.replace("Lead:", ""), token: { id: tokenId } },
    { at: expect.any(String), operation: "updateLead", subjects: [id], fields: ["name"], result: id.replace("Lead:", ""), token: { id: tokenId } },
  ]);
  const rows = JSON.stringify(await query(server.database.pool, "SELECT * FROM audit_log"));
  for (const value of ["CANARY", "60123456700"]) expect(rows).not.toContain(value);
});

test("each mutation of a request is noted once, however often it writes; what was refused, or only read, is not", async () => {
  const { id } = (await create({ phone: "+60123456701" })).data.createLead.lead;
  const noted = await notedBy(async () => {
    // Opting out writes three times.
    await server.query(`mutation { optOutLead(id: "${id}", reason: "asked") { userErrors { code } } renamed: updateWorkspace(input: { name: "Kedai" }) { userErrors { code } } }`);
    await server.query(`mutation { updateWorkspace(input: { name: "" }) { userErrors { code } } }`);
    await create({ phone: "+60123456701" });
    await server.query("{ leads { totalCount } }");
  });
  expect(noted.map(({ operation, fields }) => [operation, fields])).toEqual([["optOutLead", ["reason"]], ["updateWorkspace", ["name"]]]);
});

test("administrators alone read it, of their own workspace", async () => {
  const manager = await server.tokenFor(["MANAGE"]);
  expect((await server.query("{ auditLog { nodes { at } } }", {}, manager)).errors?.[0]?.extensions["code"]).toBe("FORBIDDEN");
  expect(await entries(await server.tokenFor(["ADMIN"], await addWorkspace(server.database.pool)))).toEqual([]);
});

test("it is paged, the newest first", async () => {
  await notedBy(() => Promise.all([1, 2, 3].map((n) => create({ phone: `+6012345671${n}` }))));
  const all = await entries();
  const first = (await server.query("{ auditLog(first: 2) { nodes { at } pageInfo { endCursor hasNextPage } } }")).data.auditLog;
  expect(first.pageInfo.hasNextPage).toBe(true);
  const rest = (await server.query("query ($after: String) { auditLog(first: 100, after: $after) { nodes { at } } }", { after: first.pageInfo.endCursor })).data.auditLog;
  expect([...first.nodes, ...rest.nodes]).toEqual(all.map(({ at }) => ({ at })));
});

test("what was noted can be neither changed nor taken back by the API's role", async () => {
  const client = await server.database.pool.connect();
  for (const statement of ["UPDATE audit_log SET operation = 'x'", "DELETE FROM audit_log"]) {
    await client.query(`BEGIN; SET LOCAL ROLE rentak_api; SET LOCAL app.workspace_id = '${DEFAULT_WORKSPACE_ID}'`);
    await expect(client.query(statement)).rejects.toThrow(/permission denied/);
    await client.query("ROLLBACK");
  }
  client.release();
});
