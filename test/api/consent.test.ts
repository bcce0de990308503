import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { addLeads, addSequence, enrolAll, query } from "../support/factories.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

const require = (requireConsent: boolean) =>
  server.query("mutation ($on: Boolean!) { updateWorkspace(input: { requireConsent: $on }) { workspace { requireConsent } userErrors { message } } }", { on: requireConsent });

const statesOf = async (id: string) => {
  const { data } = await server.query("query ($id: ID!) { lead(id: $id) { triggerStates { trigger state message } enrollments { nodes { status } } } }", { id: `Lead:${id}` });
  return data.lead;
};

const agree = (id: string) =>
  server.query('mutation ($id: ID!) { updateLead(input: { id: $id, consent: { source: "in store", at: "2026-10-01T00:00:00Z" } }) { userErrors { message } } }', { id: `Lead:${id}` });

let word: string;
let sequenceId: string;
beforeEach(async () => {
  await require(true);
  word = `w${crypto.randomUUID().slice(0, 8)}`;
  sequenceId = await addSequence(server.database.pool, DEFAULT_WORKSPACE_ID, { steps: [{ trigger: word }] });
});

const add = async (trigger: string | null = word): Promise<string> => {
  const id = crypto.randomUUID();
  const phone = `60${Math.floor(1e9 + Math.random() * 9e8)}`;
  await server.database.pool.query("INSERT INTO leads (id, phone, trigger) VALUES ($1, $2, $3)", [id, phone, trigger]);
  await enrolAll(server.database.pool);
  return id;
};

describe("a workspace that requires consent", () => {
  test("shows so", async () => {
    expect((await server.query("{ viewer { workspace { requireConsent } } }")).data.viewer.workspace).toEqual({ requireConsent: true });
    expect((await require(false)).data.updateWorkspace).toEqual({ workspace: { requireConsent: false }, userErrors: [] });
  });

  test("enrols nobody whose consent is not recorded, says so, and does once it is", async () => {
    const id = await add();
    expect(await statesOf(id)).toEqual({
      triggerStates: [{ trigger: word, state: "NO_CONSENT", message: expect.stringContaining("Record it with updateLead or an import") }],
      enrollments: { nodes: [] },
    });
    await agree(id);
    await enrolAll(server.database.pool);
    expect(await statesOf(id)).toMatchObject({ triggerStates: [{ state: "ENROLLED" }], enrollments: { nodes: [{ status: "ACTIVE" }] } });
  });

  test("enrols those who were left out once it requires none", async () => {
    const id = await add();
    await require(false);
    await enrolAll(server.database.pool);
    expect(await statesOf(id)).toMatchObject({ enrollments: { nodes: [{ status: "ACTIVE" }] } });
  });

  test("leaves out of enrollLeads who has not agreed", async () => {
    const { pool } = server.database;
    const ids = await addLeads(pool, DEFAULT_WORKSPACE_ID, 3);
    await query(pool, "UPDATE leads SET niche = $2 WHERE id = ANY ($1)", [ids, word]);
    await agree(ids[0] as string);
    const { data } = await server.query(
      "mutation ($id: ID!, $niche: String!) { enrollLeads(sequenceId: $id, filter: { niche: [$niche] }) { enrolled skipped userErrors { message } } }",
      { id: `Sequence:${sequenceId}`, niche: word },
    );
    expect(data.enrollLeads).toEqual({ enrolled: 1, skipped: 2, userErrors: [] });
  });
});
