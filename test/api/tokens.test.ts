// Tokens as administrators make and revoke them.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newSecret } from "../../src/access/secret.ts";
import { eventually } from "../support/eventually.ts";
import { addWorkspace, query } from "../support/factories.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

const TOKEN = "id name scopes prefix expiresAt lastUsedAt revokedAt createdAt";
const create = async (input: Record<string, unknown>, secret?: string): Promise<Loose> =>
  (await server.query(`mutation ($input: CreateApiTokenInput!) { createApiToken(input: $input) { apiToken { ${TOKEN} } secret userErrors { code message field } } }`, { input }, secret)).data?.createApiToken;
const revoke = async (id: string, secret?: string): Promise<Loose> =>
  (await server.query(`mutation ($id: ID!) { revokeApiToken(id: $id) { apiToken { id revokedAt } userErrors { code message field } } }`, { id }, secret)).data?.revokeApiToken;
const list = async (secret?: string): Promise<Loose[]> => (await server.query(`{ apiTokens { ${TOKEN} } }`, {}, secret)).data.apiTokens;

describe("createApiToken", () => {
  test("gives a token that does what its scopes allow, and shows its secret this once", async () => {
    const expiresAt = "2099-01-01T00:00:00.000Z";
    const { apiToken, secret, userErrors } = await create({ name: " Shop front ", scopes: ["READ", "READ", "PAIR"], expiresAt });
    expect(userErrors).toEqual([]);
    expect(apiToken).toMatchObject({ name: "Shop front", scopes: ["READ", "PAIR"], prefix: secret.slice(0, 11), expiresAt, lastUsedAt: null, revokedAt: null });
    expect((await server.query("{ viewer { token { id scopes } } }", {}, secret)).data.viewer.token).toEqual({ id: apiToken.id, scopes: ["READ", "PAIR"] });
    const [listed] = await list();
    expect(listed).toMatchObject({ id: apiToken.id, lastUsedAt: expect.any(String) });
    // Nowhere in the database, nor in the log.
    const [kept] = await query<{ row: string }>(server.database.pool, "SELECT to_jsonb(t)::text AS row FROM api_tokens t WHERE name = 'Shop front'");
    expect(kept?.row).not.toContain(secret.slice(11));
    expect(server.log.join("")).not.toContain(secret.slice(11));
  });

  test.each([
    [{ name: " ", scopes: ["READ"] }, ["input", "name"], "A token's name has 1 to 100 characters, not 0; say what it is for."],
    [{ name: "x".repeat(101), scopes: ["READ"] }, ["input", "name"], "A token's name has 1 to 100 characters, not 101; say what it is for."],
    [{ name: "x", scopes: [] }, ["input", "scopes"], "A token needs at least one scope; READ lets it read and subscribe."],
    [{ name: "x", scopes: ["READ"], expiresAt: "2020-01-01T00:00:00Z" }, ["input", "expiresAt"], "expiresAt has passed already; choose a later time, or leave it out for a token that does not expire."],
  ])("refuses %j", async (input, field, message) => {
    expect(await create(input)).toEqual({ apiToken: null, secret: null, userErrors: [{ code: "INVALID", field, message }] });
  });
});

describe("a token that is revoked", () => {
  test("is refused, its subscriptions end, and it stays listed; revoked once more it stays as it is", async () => {
    const { apiToken, secret } = await create({ name: "Gone", scopes: ["READ"] });
    const { apiToken: revoked, userErrors } = await revoke(apiToken.id);
    expect(userErrors).toEqual([]);
    expect(revoked.revokedAt).toEqual(expect.any(String));
    await eventually(async () => (await server.query("{ viewer { token { id } } }", {}, secret)).status === 401, "it is refused", 20_000);
    expect((await revoke(apiToken.id)).apiToken).toEqual(revoked);
    expect((await list()).find(({ id }) => id === apiToken.id)?.revokedAt).toBe(revoked.revokedAt);
  });

  test("is never the one in use, nor another workspace's, nor one that is not there", async () => {
    const { id: own } = (await server.query("{ viewer { token { id } } }")).data.viewer.token;
    expect((await revoke(own)).userErrors).toMatchObject([{ code: "INVALID_STATE", field: ["id"] }]);
    const elsewhere = await server.tokenFor(["ADMIN"], await addWorkspace(server.database.pool));
    const missing = { apiToken: null, userErrors: [{ code: "NOT_FOUND", message: "There is no token with this id.", field: ["id"] }] };
    expect(await revoke(own, elsewhere)).toEqual(missing);
    expect(await revoke("ApiToken:0198c7e2-5d4f-7cc1-a5a5-0123456789ab")).toEqual(missing);
    expect((await list(elsewhere)).map(({ id }) => id)).not.toContain(own);
  });
});

test("only administrators see, make and revoke tokens", async () => {
  const manager = await server.tokenFor(["MANAGE", "PAIR"]);
  const { apiToken } = await create({ name: "x", scopes: ["READ"] });
  for (const text of ["{ apiTokens { id } }", `mutation { createApiToken(input: { name: "x", scopes: [ADMIN] }) { secret } }`, `mutation { revokeApiToken(id: "${apiToken.id}") { apiToken { id } } }`]) {
    expect((await server.query(text, {}, manager)).errors?.[0]?.extensions["code"]).toBe("FORBIDDEN");
  }
});

describe("createWorkspace", () => {
  const createWorkspace = async (input: Record<string, unknown>, secret?: string): Promise<Loose> =>
    (await server.query("mutation ($input: CreateWorkspaceInput!) { createWorkspace(input: $input) { workspaceId secret userErrors { code message field } } }", { input }, secret)).data?.createWorkspace;

  test("gives another workspace, whose administrator makes tokens for its members; neither sees anything of the other", async () => {
    const { workspaceId, secret, userErrors } = await createWorkspace({ name: " Branch ", timeZone: "Asia/Singapore" });
    expect(userErrors).toEqual([]);
    const viewer = (await server.query("{ viewer { workspace { id name timeZone defaultCountry } token { name scopes } } }", {}, secret)).data.viewer;
    expect(viewer).toEqual({ workspace: { id: workspaceId, name: "Branch", timeZone: "Asia/Singapore", defaultCountry: "MY" }, token: { name: "admin", scopes: ["READ", "MANAGE", "PAIR", "ADMIN"] } });
    const member = await create({ name: "Member", scopes: ["READ"] }, secret);
    expect((await server.query("{ viewer { workspace { id } } }", {}, member.secret)).data.viewer.workspace.id).toBe(workspaceId);
    expect((await server.query("query ($id: ID!) { node(id: $id) { id } }", { id: workspaceId })).data.node).toBeNull();
    expect((await list()).map(({ id }) => id)).not.toContain(member.apiToken.id);
  });

  test("is for administrators of the default workspace alone", async () => {
    const elsewhere = await server.tokenFor(["ADMIN"], await addWorkspace(server.database.pool));
    expect((await createWorkspace({ name: "x" }, elsewhere)).userErrors).toMatchObject([{ code: "INVALID_STATE" }]);
    const manager = await server.tokenFor(["MANAGE"]);
    expect((await server.query(`mutation { createWorkspace(input: { name: "x" }) { secret } }`, {}, manager)).errors?.[0]?.extensions["code"]).toBe("FORBIDDEN");
    // And so by the database's own rule.
    const client = await server.database.pool.connect();
    await client.query(`BEGIN; SET LOCAL ROLE rentak_api; SET LOCAL app.workspace_id = '${await addWorkspace(server.database.pool)}'`);
    await expect(client.query("SELECT create_workspace('x', 'UTC', 'MY', '\\x00', 'x')")).rejects.toThrow(/default workspace/);
    await client.query("ROLLBACK");
    client.release();
  });

  test("says what is wrong", async () => {
    expect((await createWorkspace({ name: " ", defaultCountry: "XX" })).userErrors).toMatchObject([
      { code: "INVALID", field: ["input", "name"] },
      { code: "INVALID", field: ["input", "defaultCountry"] },
    ]);
  });
});

test("a secret that was mistyped is refused without asking the database", async () => {
  const secret = newSecret();
  const mistyped = `${secret.slice(0, -10)}${secret.at(-10) === "a" ? "b" : "a"}${secret.slice(-9)}`;
  const { pool } = server.database;
  const query = pool.query.bind(pool);
  let asked = 0;
  pool.query = ((...args: Parameters<typeof query>) => (asked++, query(...args))) as typeof pool.query;
  expect((await server.query("{ viewer { token { id } } }", {}, mistyped)).status).toBe(401);
  expect(asked).toBe(0);
  pool.query = query;
});
