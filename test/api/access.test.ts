import { createHash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { newSecret } from "../../src/access/secret.ts";
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

  test.each(["Bearer nonsense", "Basic dXNlcjpwYXNz", "nonsense", `Bearer ${newSecret()}`])(
    "is refused where it is %s",
    async (authorization) => {
      const response = await post({ authorization });
      expect(response.status).toBe(401);
      const { errors } = (await response.json()) as { errors: { extensions: unknown }[] };
      expect(errors[0]?.extensions).toEqual({ code: "UNAUTHENTICATED" });
    },
  );

  test("shows who calls", async () => {
    const { data } = await server.query(VIEWER);
    expect(data.viewer.workspace).toEqual({
      id: `Workspace:${DEFAULT_WORKSPACE_ID}`,
      name: "Default",
      timeZone: "Asia/Kuala_Lumpur",
      defaultCountry: "MY",
    });
    expect(data.viewer.token).toMatchObject({
      name: "admin",
      scopes: ["READ", "MANAGE", "PAIR", "ADMIN"],
      prefix: server.secret.slice(0, 11),
    });
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
    const allowed: Record<string, unknown[]> = {};
    for (const scope of ["READ", "PAIR", "MANAGE", "ADMIN"] as const) {
      const secret = await server.tokenFor([scope]);
      const answers = await Promise.all([VIEWER, create, rename].map((query) => server.query(query, {}, secret)));
      allowed[scope] = answers.map(({ errors }) => errors?.[0]?.extensions["code"] ?? "allowed");
    }
    const [yes, no] = ["allowed", "FORBIDDEN"];
    expect(allowed).toEqual({ READ: [yes, no, no], PAIR: [yes, no, no], MANAGE: [yes, yes, no], ADMIN: [yes, yes, yes] });
  });
});

describe("the workspace", () => {
  test("is changed in what is given, and says what is wrong", async () => {
    const update = (input: object) =>
      server.query(
        "mutation($input: UpdateWorkspaceInput!) { updateWorkspace(input: $input) { workspace { name timeZone defaultCountry } userErrors { code message field } } }",
        { input },
      );
    const { data } = await update({ name: " Kedai ", timeZone: "Asia/Singapore" });
    expect(data.updateWorkspace).toEqual({
      workspace: { name: "Kedai", timeZone: "Asia/Singapore", defaultCountry: "MY" },
      userErrors: [],
    });
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

  describe("has quiet hours, a frequency cap and an hourly ceiling", () => {
    const LIMITS = "quietHours { start end } frequencyCap { messages hours } hourlyCeiling";
    const update = async (input: object) => {
      const { data, errors } = await server.query(
        `mutation($input: UpdateWorkspaceInput!) { it: updateWorkspace(input: $input) { workspace { ${LIMITS} } userErrors { code message field } } }`,
        { input },
      );
      return errors?.[0] ?? data.it;
    };
    const limits = { quietHours: { start: "21:30", end: "08:00" }, frequencyCap: { messages: 2, hours: 24 }, hourlyCeiling: 15_000 };
    const none = { quietHours: null, frequencyCap: null, hourlyCeiling: null };

    test("that are set together or one by one, and taken away with null", async () => {
      expect((await server.query(`{ viewer { workspace { ${LIMITS} } } }`)).data.viewer.workspace).toEqual(none);
      expect(await update(limits)).toEqual({ workspace: limits, userErrors: [] });
      expect(await update({ hourlyCeiling: 1 })).toEqual({ workspace: { ...limits, hourlyCeiling: 1 }, userErrors: [] });
      expect(await update(none)).toEqual({ workspace: none, userErrors: [] });
    });

    test.each([
      [
        { quietHours: { start: "08:00", end: "08:00" } },
        "Quiet hours from 08:00 to 08:00 are none, or all day; choose an end that differs, or null for none.",
        ["quietHours", "end"],
      ],
      [{ frequencyCap: { messages: 0, hours: 1 } }, "The cap's number of messages must be from 1 to 100, not 0.", ["frequencyCap", "messages"]],
      [{ frequencyCap: { messages: 101, hours: 1 } }, "The cap's number of messages must be from 1 to 100, not 101.", ["frequencyCap", "messages"]],
      [{ frequencyCap: { messages: 1, hours: 8761 } }, "The cap's number of hours must be from 1 to 8,760, not 8761.", ["frequencyCap", "hours"]],
      [{ hourlyCeiling: 0 }, "hourlyCeiling must be at least 1, not 0; null takes it away.", ["hourlyCeiling"]],
    ])("of which %j is refused", async (input, message, field) => {
      expect(await update(input)).toEqual({ workspace: null, userErrors: [{ code: "INVALID", message, field: ["input", ...field] }] });
    });

    test.each(["9:00", "24:00", "09:00:00", 9])("whose times are times of day, not %j", async (start) => {
      const error = await update({ quietHours: { start, end: "08:00" } });
      expect(error).toMatchObject({ message: expect.stringContaining("is no time of day. Write it as HH:MM"), extensions: { code: "BAD_USER_INPUT" } });
    });

    test("that never silence an active sequence for good", async () => {
      const { pool } = server.database;
      await pool.query("INSERT INTO sequences (name, schedule_time, is_active) VALUES ('Late', '23:00', true), ('Draft', '22:00', false)");
      const covering = { quietHours: { start: "22:00", end: "23:10" } };
      expect(await update(covering)).toEqual({
        workspace: null,
        userErrors: [
          {
            code: "CONFLICT",
            message:
              "The active sequence 'Late' sends from 23:00 on for 10 minutes, all of which would be quiet; choose other hours, or change or pause the sequence first.",
            field: ["input", "quietHours"],
          },
        ],
      });
      expect((await server.query(`{ viewer { workspace { ${LIMITS} } } }`)).data.viewer.workspace).toEqual(none);
      server.rung.length = 0;
      await pool.query("UPDATE workspaces SET reviewed_revision = graph_revision");
      expect((await update({ quietHours: { start: "22:00", end: "23:09" } })).userErrors).toEqual([]);
      // Whether the others are in order is looked at anew.
      expect(server.rung).toEqual(["enrollment"]);
      const { rows } = await pool.query("SELECT graph_revision > reviewed_revision AS is_to_be_reviewed FROM workspaces");
      expect(rows).toEqual([{ is_to_be_reviewed: true }]);
      await update(none);
    });
  });
});

describe("the workspace's greetings", () => {
  const update = async (input: object) => {
    const { data, errors } = await server.query(
      "mutation($input: UpdateWorkspaceInput!) { it: updateWorkspace(input: $input) { workspace { greetings { from templates } formOfAddress } userErrors { code message field } } }",
      { input },
    );
    expect(errors).toBeUndefined();
    return data.it;
  };
  const first = {
    greetings: [
      { from: "05:00", templates: ["Selamat pagi {{name}}"] },
      { from: "12:00", templates: ["{Hi|Hello|Hai} {{name}}"] },
    ],
    formOfAddress: "Cik",
  };

  test("are there from the first, and are set as a list, in the order of the day", async () => {
    expect((await server.query("{ viewer { workspace { greetings { from templates } formOfAddress } } }")).data.viewer.workspace).toEqual(first);
    const night = { from: "19:00", templates: ["Selamat malam {{name}}", "{Hi|Hai} {{name}}"] };
    expect(await update({ greetings: [night, first.greetings[0]], formOfAddress: " Tuan " })).toEqual({
      workspace: { greetings: [first.greetings[0], night], formOfAddress: "Tuan" },
      userErrors: [],
    });
    expect((await update({ name: "Renamed" })).workspace.greetings).toEqual([first.greetings[0], night]);
    expect((await update(first)).workspace).toEqual(first);
  });

  test.each([
    [{ greetings: null }, "greetings cannot be cleared; leave it out to keep it as it is.", ["greetings"]],
    [{ formOfAddress: null }, "formOfAddress cannot be cleared; leave it out to keep it as it is.", ["formOfAddress"]],
    [{ formOfAddress: " " }, "A form of address has 1 to 50 characters, not 0; write one such as Cik.", ["formOfAddress"]],
    [{ greetings: [] }, "At least one greeting must remain; a sequence that is not to greet has greeting: false.", ["greetings"]],
    [
      { greetings: [first.greetings[0], { from: "12:00", templates: ["Hi", "{Hi|Hello {{name}}"] }] },
      "Greeting 2 (from 12:00), template 2: '{Hi|Hello {{name}}' at character 1 opens a brace that is never closed; add the missing '}'.",
      ["greetings", "1", "templates", "1"],
    ],
  ])("are refused where they are %j, and the greeting is named", async (input, message, field) => {
    expect(await update({ name: "Not written", ...input })).toEqual({ workspace: null, userErrors: [{ code: "INVALID", message, field: ["input", ...field] }] });
    expect((await server.query("{ viewer { workspace { name greetings { from templates } formOfAddress } } }")).data.viewer.workspace).toEqual({ name: "Renamed", ...first });
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
    const { rows } = await pool.query(
      "INSERT INTO devices (workspace_id, name, transport) VALUES ($1, 'theirs', 'SIMULATOR') RETURNING id",
      [other],
    );
    const id = `Device:${rows[0].id}`;
    const mine = await server.query(
      "query($id: ID!, $workspace: ID!) { node(id: $id) { id } device(id: $id) { id } workspace: node(id: $workspace) { id } nodes(ids: [$id]) { id } }",
      { id, workspace: `Workspace:${other}` },
    );
    expect(mine).toMatchObject({ errors: undefined, data: { node: null, device: null, workspace: null, nodes: [null] } });
    const change = await server.query(
      "mutation($id: ID!) { pauseDevice(id: $id) { device { id } userErrors { code } } deleteDevice(id: $id) { userErrors { code } } }",
      { id },
    );
    expect(change.data).toEqual({
      pauseDevice: { device: null, userErrors: [{ code: "NOT_FOUND" }] },
      deleteDevice: { userErrors: [{ code: "NOT_FOUND" }] },
    });
    const theirs = await server.query(
      "query($id: ID!) { node(id: $id) { id ... on Device { name } } }",
      { id },
      await server.tokenFor(["READ"], other),
    );
    expect(theirs.data.node).toEqual({ id, name: "theirs" });
  });
});
