import { createHash, randomUUID } from "node:crypto";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { newSecret } from "../../src/access/tokens.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

const VIEWER = "{ viewer { workspace { id name timeZone defaultCountry } token { id name scopes prefix lastUsedAt } } }";

const post = (headers: Record<string, string>, query = VIEWER) =>
  fetch(server.url, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify({ query }) });

describe("a token", () => {
  test("is needed, and the answer says how to send it and where to find it", async () => {
    const response = await post({});
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({
      errors: [
        {
          message: "A token is needed. Send the header 'Authorization: Bearer <token>'. The admin token is in .rentak/admin-token.",
          extensions: { code: "UNAUTHENTICATED" },
        },
      ],
    });
  });

  test.each(["Bearer nonsense", "Basic dXNlcjpwYXNz", "nonsense", `Bearer ${newSecret()}`])("is refused where it is %s", async (authorization) => {
    const response = await post({ authorization });
    expect(response.status).toBe(401);
    const { errors } = (await response.json()) as { errors: { extensions: unknown }[] };
    expect(errors[0]?.extensions).toEqual({ code: "UNAUTHENTICATED" });
  });

  test("shows who calls", async () => {
    const { data } = await server.query(VIEWER);
    expect(data.viewer.workspace).toEqual({ id: `Workspace:${DEFAULT_WORKSPACE_ID}`, name: "Default", timeZone: "Asia/Kuala_Lumpur", defaultCountry: "MY" });
    expect(data.viewer.token).toMatchObject({ name: "admin", scopes: ["READ", "MANAGE", "PAIR", "ADMIN"], prefix: server.secret.slice(0, 11) });
    expect(data.viewer.token.lastUsedAt).toMatch(/^\d{4}-.*Z$/);
  });

  test("is good no longer once it is revoked or expired", async () => {
    for (const column of ["revoked_at", "expires_at"]) {
      const secret = await server.tokenFor(["READ"]);
      const hash = createHash("sha256").update(secret).digest();
      await server.database.pool.query(`UPDATE api_tokens SET ${column} = now() - interval '1 second' WHERE hash = $1`, [hash]);
      expect((await server.query(VIEWER, {}, secret)).status).toBe(401);
    }
  });

  test("does what its scopes allow: READ < MANAGE < ADMIN, and PAIR reads", async () => {
    const create = `mutation { createDevice(input: { name: "d", transport: SIMULATOR }) { device { id } } }`;
    const rename = `mutation { updateWorkspace(input: { name: "Renamed" }) { workspace { name } } }`;
    const allowed: Record<string, boolean[]> = {};
    for (const scope of ["READ", "PAIR", "MANAGE", "ADMIN"] as const) {
      const secret = await server.tokenFor([scope]);
      const answers = await Promise.all([VIEWER, create, rename].map((query) => server.query(query, {}, secret)));
      for (const { errors } of answers) if (errors) expect(errors[0]?.extensions["code"]).toBe("FORBIDDEN");
      allowed[scope] = answers.map(({ errors }) => errors === undefined);
    }
    expect(allowed).toEqual({ READ: [true, false, false], PAIR: [true, false, false], MANAGE: [true, true, false], ADMIN: [true, true, true] });
  });
});

describe("the workspace", () => {
  test("is changed in what is given, and says what is wrong", async () => {
    const update = (input: object) =>
      server.query("mutation($input: UpdateWorkspaceInput!) { updateWorkspace(input: $input) { workspace { name timeZone defaultCountry } userErrors { code message field } } }", { input });
    const { data } = await update({ name: " Kedai ", timeZone: "Asia/Singapore" });
    expect(data.updateWorkspace).toEqual({ workspace: { name: "Kedai", timeZone: "Asia/Singapore", defaultCountry: "MY" }, userErrors: [] });
    const refused = await update({ name: "", defaultCountry: "ZZ" });
    expect(refused.data.updateWorkspace).toEqual({
      workspace: null,
      userErrors: [
        { code: "INVALID", message: "A workspace's name must have 1 to 200 characters.", field: ["input", "name"] },
        {
          code: "INVALID",
          message: '"ZZ" is no country with phone numbers; write its ISO 3166-1 code in capitals, such as MY.',
          field: ["input", "defaultCountry"],
        },
      ],
    });
    const zone = await update({ timeZone: "Mars/Olympus" });
    expect(zone.errors?.[0]).toMatchObject({ extensions: { code: "BAD_USER_INPUT" } });
    expect(zone.errors?.[0]?.message).toContain("is no time zone. Use a name of the IANA list, such as Asia/Kuala_Lumpur.");
  });
});

describe("ids", () => {
  test.each([
    ["device", "Lead:0198c7e2-5d4f-7cc1-a5a5-0123456789ab", "is not of type: Device"],
    ["device", "nonsense", "is no id. An id looks like Lead:"],
    ["device", "Device:42", "is no id. An id looks like Lead:"],
    ["node", "Nothing:0198c7e2-5d4f-7cc1-a5a5-0123456789ab", 'There is no type "Nothing" that has ids.'],
    ["node", "UserError:0198c7e2-5d4f-7cc1-a5a5-0123456789ab", 'There is no type "UserError" that has ids.'],
  ])("of the wrong kind are refused: %s(id: %j)", async (field, id, message) => {
    const { errors } = await server.query(`query($id: ID!) { ${field}(id: $id) { id } }`, { id });
    expect(errors?.[0]?.extensions["code"]).toBe("BAD_USER_INPUT");
    expect(errors?.[0]?.message).toContain(message);
  });

  test("of another workspace are not there", async () => {
    const { pool } = server.database;
    const other = randomUUID();
    await pool.query("INSERT INTO workspaces (id, name) VALUES ($1, 'Other')", [other]);
    const { rows } = await pool.query("INSERT INTO devices (workspace_id, name, transport) VALUES ($1, 'theirs', 'SIMULATOR') RETURNING id", [other]);
    const id = `Device:${rows[0].id}`;
    const mine = await server.query(
      "query($id: ID!, $workspace: ID!) { node(id: $id) { id } device(id: $id) { id } workspace: node(id: $workspace) { id } nodes(ids: [$id]) { id } }",
      { id, workspace: `Workspace:${other}` },
    );
    expect(mine).toMatchObject({ errors: undefined, data: { node: null, device: null, workspace: null, nodes: [null] } });
    const change = await server.query("mutation($id: ID!) { pauseDevice(id: $id) { device { id } userErrors { code } } deleteDevice(id: $id) { userErrors { code } } }", { id });
    expect(change.data).toEqual({ pauseDevice: { device: null, userErrors: [{ code: "NOT_FOUND" }] }, deleteDevice: { userErrors: [{ code: "NOT_FOUND" }] } });
    const theirs = await server.query("query($id: ID!) { node(id: $id) { id ... on Device { name } } }", { id }, await server.tokenFor(["READ"], other));
    expect(theirs.data.node).toEqual({ id, name: "theirs" });
  });
});

describe("a request that is wrong in itself", () => {
  test.each([
    ["{ viewer ", "Syntax Error"],
    ["{ nothing }", 'Cannot query field "nothing"'],
    ["{ devices(first: -1) { nodes { id } } }", "`first` must be 0 or more, not -1."],
    ["{ devices(first: 1, last: 1) { nodes { id } } }", "Give `first` or `last`, not both."],
    ['{ devices(after: "nonsense") { nodes { id } } }', "`after` is no cursor."],
    ['{ flows(filter: { dueAfter: "yesterday" }) { nodes { id } } }', '"yesterday" is no time. Write it as in RFC 3339'],
    ['{ flows(filter: { dueAfter: "2026-02-30T00:00:00Z" }) { nodes { id } } }', "is no time"],
    ['{ devices(filter: { search: "\\u0000" }) { nodes { id } } }', "The request holds a NUL character"],
  ])("is BAD_USER_INPUT: %s", async (query, message) => {
    const { errors } = await server.query(query);
    expect(errors?.[0]?.extensions["code"]).toBe("BAD_USER_INPUT");
    expect(errors?.[0]?.message).toContain(message);
  });

  test("may hold no text that Postgres cannot keep", async () => {
    const { errors } = await server.query("query($search: String) { devices(filter: { search: $search }) { nodes { id } } }", { search: "a\0b" });
    expect(errors?.[0]?.message).toContain("The request holds a NUL character");
  });

  test("is QUERY_TOO_COMPLEX where it asks for too much", async () => {
    const query = "query($n: Int) { sequences(first: $n) { nodes { enrollments(first: $n) { nodes { sequence { enrollments(first: $n) { nodes { id } } } } } } } }";
    expect((await server.query(query, { n: 2 })).errors).toBeUndefined();
    const { errors } = await server.query(query, { n: 100 });
    expect(errors?.[0]?.extensions["code"]).toBe("QUERY_TOO_COMPLEX");
    const aliases = await server.query(`{ viewer { ${Array.from({ length: 101 }, (_, n) => `w${n}: workspace { id }`).join(" ")} } }`);
    expect(aliases.errors?.[0]?.extensions["code"]).toBe("QUERY_TOO_COMPLEX");
    const tokens = await server.query(`{ ${"viewer { workspace { id } } ".repeat(10_000)} }`);
    expect(tokens.errors?.[0]?.extensions["code"]).toMatch(/QUERY_TOO_COMPLEX|BAD_USER_INPUT/);
  });
});

describe("an unexpected error", () => {
  test("shows an id, and nothing of the database; the log has no data of it either", async () => {
    await server.database.pool.query("ALTER TABLE devices RENAME TO hidden");
    const { errors } = await server.query('{ devices(filter: { search: "60123456789" }) { nodes { id } } }');
    await server.database.pool.query("ALTER TABLE hidden RENAME TO devices");
    expect(errors?.[0]?.extensions["code"]).toBe("INTERNAL_SERVER_ERROR");
    const id = errors?.[0]?.extensions["id"] as string;
    expect(errors?.[0]?.message).toBe(`Something went wrong in the server, not in your request. Its log has the reason under ${id}.`);
    const line = server.log.find((each) => each.includes(id));
    expect(line).toContain("42P01");
    expect(line).not.toContain("60123456789");
    expect(line).not.toContain("SELECT");
  });
});

describe("a body that is too large", () => {
  const boundary = "x";
  const TOO_LARGE =
    "The request is larger than 25 MB. Stream a larger CSV file to POST /imports/leads, which takes any size: curl -T leads.csv -X POST …/imports/leads.";

  test.each(["content-length", "chunked"])("is refused with the way that takes it, without being held in memory (%s)", async (kind) => {
    const before = process.memoryUsage.rss();
    const answer = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      const headers = { "content-type": `multipart/form-data; boundary=${boundary}`, authorization: `Bearer ${server.secret}` };
      const size = 60_000_000;
      const sent = request(server.url, { method: "POST", headers: kind === "chunked" ? headers : { ...headers, "content-length": size } }, (response) => {
        let body = "";
        response.on("data", (part: Buffer) => (body += part.toString()));
        response.on("end", () => resolve({ status: response.statusCode, body }));
      });
      sent.on("error", reject);
      const chunk = Buffer.alloc(1_000_000, "a");
      sent.write(`--${boundary}\r\ncontent-disposition: form-data; name="0"; filename="a.csv"\r\n\r\n`);
      let left = kind === "chunked" ? size : size - 71;
      const pump = () => {
        while (left > 0) {
          const part = chunk.subarray(0, Math.min(left, chunk.length));
          left -= part.length;
          if (!sent.write(part)) return void sent.once("drain", pump);
        }
        sent.end();
      };
      pump();
    });
    expect(JSON.parse(answer.body)).toEqual({ errors: [{ message: TOO_LARGE, extensions: { code: "BAD_USER_INPUT" } }] });
    expect(answer.status).toBe(413);
    expect(process.memoryUsage.rss() - before).toBeLessThan(150_000_000);
  });
});

describe("GraphiQL", () => {
  test("is at the same address for browsers, needs no token and nothing from elsewhere", async () => {
    const response = await fetch(server.url, { headers: { accept: "text/html" } });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain("text/html");
    const page = await response.text();
    expect(page).toContain("<title>Rentak</title>");
    expect(page).toContain(".rentak/admin-token");
    expect(page.match(/<(?:script|link)[^>]+(?:src|href)=["']?https?:[^>]+>/g)).toBeNull();
    expect(page).not.toContain(server.secret);
  });
});
