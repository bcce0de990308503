// What an outsider tries: the attacks of OWASP's GraphQL cheat sheet, and those that any HTTP server hears. Each by name, against real HTTP.

import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { buildSchema, getIntrospectionQuery } from "graphql";
import { WebSocket } from "ws";
import { newSecret } from "../../src/access/secret.ts";
import { hasScope, TOKEN_SCOPES, type TokenScope } from "../../src/access/scopes.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBell } from "../../src/events/bell.ts";
import { startEventLog } from "../support/event-log.ts";
import { addLeads, one } from "../support/factories.ts";
import { furnish } from "../support/furnish.ts";
import { INJECTIONS, type InputPlace, inputPlacesOf, NUMBERS, TIMES } from "../support/input-places.ts";
import { type Ids, operationAt, operationsOf } from "../support/isolation.ts";
import { createJumpingClock } from "../support/clocks.ts";
import { eventually } from "../support/eventually.ts";
import { type Answer, type Loose, testServer, type TestServer } from "../support/server.ts";

const schema = buildSchema(readFileSync(new URL("../../schema/schema.graphql", import.meta.url), "utf8"));
const places = inputPlacesOf(schema);

let server: TestServer;
let stopTailer: () => Promise<void>;

beforeAll(async () => {
  const bell = createBell();
  server = await testServer(async ({ pool }) => {
    const log = await startEventLog(pool, bell);
    stopTailer = () => log.tailer.stop();
    return log;
  });
});
afterAll(async () => {
  await stopTailer();
  await server.stop();
});

/** A workspace with one of everything, and a token that may do everything in it. */
async function settle(name: string): Promise<{ readonly ids: Ids; readonly secret: string }> {
  const ids = await furnish(server.database.pool, `${name}_${crypto.randomUUID().slice(0, 8)}`);
  return { ids, secret: await server.tokenFor(["ADMIN", "PAIR"], ids["Workspace"]?.slice("Workspace:".length)) };
}

/** What no answer may hold: of the database, of the code, of the machine. */
const LEAK = /INTERNAL_SERVER_ERROR|\bSELECT\b.*\bFROM\b|\bINSERT INTO\b|violates|relation "|TypeError|RangeError|at .*\.ts:\d+|node_modules|root:x:/;

type Attack = { readonly place: InputPlace; readonly name: string; readonly value: unknown };

const called = ({ place: { kind, field, path }, name }: Attack) => `${kind} ${field}(${path.join(".")}): ${name}`;

/** Each attack on its own, in a workspace of its own for each mutation; what went wrong. */
async function run(attacks: readonly Attack[]): Promise<string[]> {
  const shared = await settle("Shared");
  const failures: string[] = [];
  for (const [key, group] of Map.groupBy(attacks, ({ place }) => `${place.kind} ${place.field}`)) {
    const { ids, secret } = key.startsWith("mutation") ? await settle("Own") : shared;
    await Promise.all(
      group.map(async (attack) => {
        const { query, variables } = operationAt(schema, attack.place, attack.value, ids);
        const text = attack.place.kind === "subscription" ? await firstOf(query, variables, secret) : JSON.stringify(await server.query(query, variables, secret));
        const isKept = attack.name === "long" && key.startsWith("mutation") && !/"errors":\[|"userErrors":\[\{/.test(text);
        if (LEAK.test(text) || isKept || text.length > 100_000) failures.push(`${called(attack)} → ${text.slice(0, 200)}`);
      }),
    );
  }
  return failures;
}

/** The error with which a subscription is refused; nothing where it is open after a moment. */
async function firstOf(query: string, variables: Record<string, unknown>, secret: string): Promise<string> {
  const leave = AbortSignal.timeout(300);
  try {
    const headers = { "content-type": "application/json", accept: "text/event-stream", authorization: `Bearer ${secret}` };
    const response = await fetch(server.url, { method: "POST", headers, body: JSON.stringify({ query, variables }), signal: leave });
    let text = "";
    for await (const part of response.body ?? []) text += Buffer.from(part).toString();
    return text;
  } catch (error) {
    if (leave.aborted) return "";
    throw error;
  }
}

const TEXTS = ["String", "ID", "PhoneNumber", "Cursor", "TimeZone", "LocalTime"];
const attacksWith = (scalars: readonly string[], values: Readonly<Record<string, unknown>>): Attack[] =>
  places.filter(({ scalar }) => scalars.includes(scalar)).flatMap((place) => Object.entries(values).map(([name, value]) => ({ place, name, value })));

describe("everything that can be written in the schema", () => {
  // Each place is given one of them, and the next place the next one: all of them everywhere would take minutes. Where texts reach SQL they are all tried, below.
  test("injection of SQL, patterns, commands, headers, paths, templates and strange characters", { timeout: 120_000 }, async () => {
    const values = Object.entries(INJECTIONS);
    const attacks = places.filter(({ scalar }) => TEXTS.includes(scalar)).map((place, index) => ({ place, name: values[index % values.length]?.[0] ?? "", value: values[index % values.length]?.[1] }));
    expect(await run(attacks)).toEqual([]);
  });

  const SEARCHED = /search|filter|phone|cursor|after|before/i;

  test.each(Object.entries(INJECTIONS))("injection of %s, wherever something is looked for", { timeout: 120_000 }, async (name, value) => {
    const searched = attacksWith(TEXTS, { [name]: value }).filter(({ place: { path } }) => path.some((part) => SEARCHED.test(part)));
    expect(searched.length).toBeGreaterThan(10);
    expect(await run(searched)).toEqual([]);
    expect(await run(attacksWith(["JSONObject"], { [name]: { [value]: value, list: [{ deep: value }] } }))).toEqual([]);
  });

  test("very long texts, none of which is kept or repeated", { timeout: 120_000 }, async () => {
    expect(await run(attacksWith(TEXTS, { long: "ab ".repeat(70_000) }))).toEqual([]);
    expect(await run(attacksWith(["JSONObject"], { long: { ["k".repeat(100_000)]: "v".repeat(500_000) } }))).toEqual([]);
  });

  test("NUL, and halves of characters, are refused wherever they stand", { timeout: 120_000 }, async () => {
    const [place] = places.filter(({ scalar }) => scalar === "JSONObject");
    const { query, variables } = operationAt(schema, place as InputPlace, { a: "b" }, (await settle("Own")).ids);
    for (const bad of ["\\u0000", "\\ud800", "\\udc00x"]) {
      for (const body of [JSON.stringify({ query, variables }).replace('"b"', `"${bad}"`), JSON.stringify({ query, variables }).replace('"a"', `"${bad}"`)]) {
        expect(codeOf(await send({ body }))).toBe("BAD_USER_INPUT");
      }
    }
  });

  test("numbers out of every range", { timeout: 120_000 }, async () => {
    expect(await run(attacksWith(["Int", "Float"], Object.fromEntries(NUMBERS.map((number) => [String(number), number]))))).toEqual([]);
  });

  test("times far out of range", { timeout: 120_000 }, async () => {
    expect(await run(attacksWith(["DateTime"], Object.fromEntries(TIMES.map((time) => [time, time]))))).toEqual([]);
  });
});

const VIEWER = "{ viewer { token { id } } }";

type Init = { readonly method?: string; readonly body?: string | Buffer; readonly headers?: Readonly<Record<string, string>>; readonly path?: string };
type Got = { readonly status: number; readonly headers: Readonly<Record<string, unknown>>; readonly text: string };

/** By node:http, which sends paths and headers as they are given, where fetch would put them right. With a token, unless `authorization` is empty. */
function send({ method = "POST", body, headers = {}, path = "/graphql" }: Init): Promise<Got> {
  const given = { "content-type": "application/json", authorization: `Bearer ${server.secret}`, ...headers };
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    const sent = httpRequest({ hostname, port, method, path, headers: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== "")) }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(parts).toString() }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const ask = (query: string, init: Init = {}) => send({ body: JSON.stringify({ query }), ...init });

/** What the server says to these bytes, until it ends the connection or has been silent for a while. */
function raw(bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    let text = "";
    const done = () => (socket.destroy(), resolve(text));
    socket.setTimeout(1500, done);
    socket.on("data", (part) => (text += part.toString()));
    socket.on("end", done);
    socket.on("error", reject);
    socket.write(bytes);
  });
}

const codeOf = ({ text }: Got): unknown => JSON.parse(text).errors?.[0]?.extensions.code;
const codes = ({ errors }: Answer) => errors?.map(({ extensions }) => extensions["code"]);
const times = (count: number, text: (index: number) => string) => Array.from({ length: count }, (_, index) => text(index)).join(" ");
const countOf = async (table: string) => (await one<{ rows: number }>(server.database.pool, `SELECT count(*)::int AS rows FROM ${table}`)).rows;

describe("injection", () => {
  test("a condition that is always true, or a pattern of its own, finds nobody", async () => {
    const workspace = (await server.query("{ viewer { workspace { id } } }")).data.viewer.workspace.id.slice("Workspace:".length);
    const [lead] = await addLeads(server.database.pool, workspace, 1);
    await server.database.pool.query("UPDATE leads SET name = 'Aminah' WHERE id = $1", [lead]);
    const search = async (text: string) => (await server.query("query ($text: String) { leads(filter: { search: $text }) { nodes { name } } }", { text })).data.leads.nodes;
    expect(await search("mina")).toEqual([{ name: "Aminah" }]);
    for (const text of ["%", "_minah", "' OR '1'='1", "x') OR 1=1 --", "\\' OR 1=1 --"]) expect([text, await search(text)]).toEqual([text, []]);
  });

  test.each([
    "/media/../../../etc/passwd",
    "/media/..%2f..%2f..%2fetc%2fpasswd",
    "/media/%2e%2e/%2e%2e/package.json",
    "/media/....//....//etc/passwd",
    "/media/Media:%00",
    "/media/%",
    "/imports/leads/../../.rentak/admin-token",
    "/imports/leads/..%2f..%2f.rentak%2fadmin-token/rejects.csv",
    "/imports/leads/LeadImport:0198c7e2-5d4f-7cc1-a5a5-0123456789ab%00/rejects.csv",
    "/imports/leads/' OR 1=1 --/rejects.csv".replaceAll(" ", "%20"),
    "/../package.json",
    "/graphql/../package.json",
    "//",
    "/__proto__",
    "/constructor",
  ])("path traversal: %s is not there", async (path) => {
    const { status, text } = await send({ method: "GET", path });
    expect(status).toBe(404);
    expect(text).toMatch(/^(Nothing is here\.|\{"errors":\[\{"message":"There is no such (media|import))/);
  });

  test("a file's name writes no header, wherever it comes from", async () => {
    const fileName = `a"; filename=b\r\nSet-Cookie: a=b\r\n\r\n<script>\u0000.csv`;
    const sent = await send({ path: `/imports/leads?fileName=${encodeURIComponent(fileName)}`, body: "phone\nnonsense\n", headers: { "content-type": "text/csv" } });
    expect(sent.status).toBe(201);
    const form = new FormData();
    form.set("operations", JSON.stringify({ query: "mutation ($file: File!) { importLeads(file: $file) { leadImport { id } userErrors { message } } }", variables: { file: null } }));
    form.set("map", JSON.stringify({ 0: ["variables.file"] }));
    form.set("0", new File(["phone\nnonsense\n"], fileName));
    const uploaded = (await (await fetch(server.url, { method: "POST", body: form, headers: { authorization: `Bearer ${server.secret}` } })).json()) as Loose;
    const { id } = uploaded.data.importLeads.leadImport;
    await eventually(async () => (await one<{ status: string }>(server.database.pool, "SELECT status FROM lead_imports WHERE id = $1", [id.slice("LeadImport:".length)])).status === "COMPLETED", "the import");
    for (const path of [JSON.parse(sent.text).rejects, `/imports/leads/${id}/rejects.csv`]) {
      const got = await send({ method: "GET", path });
      expect([got.status, got.headers["set-cookie"], got.headers["content-type"]]).toEqual([200, undefined, "text/csv; charset=utf-8"]);
      expect(got.headers["content-disposition"]).toMatch(/^attachment; filename="rejects\.csv"; filename\*=UTF-8''[\w.%-]+$/);
    }
  });

  test.each(["fileName", "triggers", "consentSource", "consentAt", "idempotencyKey"])("a NUL in a route's parameter is taken or refused: %s", async (name) => {
    const parameters = new URLSearchParams({ consentSource: "form", consentAt: "2026-01-01T00:00:00Z", [name]: "a\0b" });
    const { status, text } = await send({ path: `/imports/leads?${parameters}`, body: "phone\n+60111234567\n", headers: { "content-type": "text/csv" } });
    expect([201, 400]).toContain(status);
    expect(text).not.toMatch(LEAK);
  });

  test("a line of the log is what it was: nothing that is sent ends up in it", async () => {
    const { pool } = server.database;
    await pool.query("ALTER TABLE devices RENAME TO hidden");
    const search = 'x"}\n{"level":"fatal","msg":"forged';
    const { errors } = await server.query("query ($search: String) { devices(filter: { search: $search }) { nodes { id } } }", { search }).finally(() => pool.query("ALTER TABLE hidden RENAME TO devices"));
    const id = errors?.[0]?.extensions["id"] as string;
    const lines = server.log.splice(0).filter((line) => line.includes(id));
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(["error"]);
    expect(lines.join("")).not.toContain("forged");
  });

  test.each([
    ["CREATED_AT", "2026-99-99 99:99:99+00"],
    ["CREATED_AT", "2026-02-31 00:00:00+00"],
    ["CREATED_AT", "0000-01-01 00:00:00+00"],
    ["CREATED_AT", "'; DROP TABLE leads; --"],
    ["LAST_REPLIED_AT", "99999-12-31 00:00:00+15:59:59"],
    ["NAME", "\ud800"],
    ["NAME", "\0"],
  ])("a forged cursor is refused, or finds nothing: %s %s", async (field, value) => {
    const after = Buffer.from(JSON.stringify([`${field}:ASC`, "0198c7e2-5d4f-7cc1-a5a5-0123456789ab", value])).toString("base64url");
    const answer = await server.query(`query ($after: String) { leads(after: $after, orderBy: { field: ${field}, direction: ASC }) { nodes { id } } }`, { after });
    expect(answer.errors?.map(({ extensions, message }) => extensions["code"] === "BAD_USER_INPUT" || message) ?? [true]).toEqual([true]);
  });

  test.each(["__proto__", "constructor", "prototype"])("pollution of prototypes by %s, in attributes and in what is around them", async (name) => {
    const body = `{"${name}":{"polluted":1},"query":"mutation ($a: JSONObject) { upsertLeads(input: { leads: [{ phone: \\"+60111234568\\", attributes: $a }] }) { userErrors { message } } }","variables":{"${name}":{"polluted":1},"a":{"${name}":{"polluted":1}}}}`;
    expect((await send({ body })).text).not.toMatch(LEAK);
    const clean = body.replace(`"${name}":{"polluted":1},`, "").replace(`"${name}":{"polluted":1},`, "");
    expect((await send({ body: clean })).text).not.toMatch(LEAK);
    const literal = await ask(`mutation { upsertLeads(input: { leads: [{ phone: "+60111234568", attributes: { ${name}: { polluted: 1 } } }] }) { userErrors { message } } }`);
    expect(literal.text).not.toMatch(LEAK);
    expect(({} as Loose).polluted).toBeUndefined();
    expect((await server.query(VIEWER)).status).toBe(200);
  });
});

describe("denial of service", () => {
  const READ = { authorization: "" };
  let reader: string;
  beforeAll(async () => {
    reader = await server.tokenFor(["READ"]);
    READ.authorization = `Bearer ${reader}`;
  });

  const PAGES = "{ nodes { enrollments(first: $n) { nodes { lead { enrollments(first: $n) { nodes { id } } } } } } }";
  const tooComplex: Readonly<Record<string, string>> = {
    "deep queries": `{ viewer { ${"workspace { ".repeat(20)} id ${"} ".repeat(20)} } }`,
    "queries that nest without end": `{ ${"a { ".repeat(12_000)} a ${"} ".repeat(12_000)} }`,
    "values that nest without end": `{ leads(filter: { attributes: { a: ${"[".repeat(20_000)}${"]".repeat(20_000)} } }) { nodes { id } } }`,
    "a flood of aliases": `{ viewer { ${times(101, (n) => `a${n}: workspace { id }`)} } }`,
    "a flood of aliases of __typename": `{ viewer { ${times(10_000, (n) => `a${n}: __typename`)} } }`,
    "a flood of aliases at the root": `{ ${times(31, (n) => `a${n}: viewer { token { id } }`)} }`,
    "a flood of aliases at the root, in fragments": `{ ...F } fragment F on Query { ${times(31, (n) => `a${n}: viewer { token { id } }`)} }`,
    "fields over and over": `{ viewer { ${"token { id } ".repeat(2000)} } }`,
    "fields over and over, in fragments that double": `{ viewer { ...F0 } } ${times(20, (n) => `fragment F${n} on Viewer { ...F${n + 1} ...F${n + 1} }`)} fragment F20 on Viewer { token { id } }`,
    "huge pages": `{ sequences(first: 100) ${PAGES.replaceAll("$n", "100")} }`,
    "huge pages by a variable's default": `query ($n: Int = 100) { sequences(first: $n) ${PAGES} }`,
    "very many tokens": `{ ${"viewer { token { id } } ".repeat(20_000)} }`,
    "the schema's types of types of types": `{ __schema { types { ${"fields { type { ".repeat(8)} name ${"} } ".repeat(8)} } } }`,
    "the whole schema, many times over": `{ ${times(5, (n) => `s${n}: __schema { types { name fields { name args { name type { name } } type { name } } inputFields { name } enumValues { name } } }`)} }`,
  };

  test.each(Object.entries(tooComplex))("%s are refused, soon", async (_name, text) => {
    const since = performance.now();
    const got = await ask(text, { headers: READ });
    expect(["QUERY_TOO_COMPLEX", "BAD_USER_INPUT"]).toContain(codeOf(got));
    expect(performance.now() - since).toBeLessThan(3000);
    expect(got.text.length).toBeLessThan(3000);
  });

  test.each([0.2, 1, 3, 5, 12])("selections and values that nest %s thousand levels", async (thousands) => {
    const levels = thousands * 1000;
    const within = (open: string, inner: string, close: string) => `${open.repeat(levels)}${inner}${close.repeat(levels)}`;
    for (const text of [
      `{ ${within("a { ", "a ", "} ")} }`,
      `{ ${within("... { ", "viewer { token { id } } ", "} ")} }`,
      `{ viewer { token { id } } } fragment Unused on Query { ${within("... { ", "viewer { token { id } } ", "} ")} }`,
      `{ ...F0 } ${Array.from({ length: levels }, (_, n) => `fragment F${n} on Query { ...F${n + 1} }`).join(" ")} fragment F${levels} on Query { viewer { token { id } } }`,
      `{ __schema { types { ${within("fields { type { ", "name ", "} } ")} } } }`,
      `{ leads(filter: { attributes: { a: ${within("[", "", "]")} } }) { nodes { id } } }`,
      `query ($a: JSONObject = { a: ${within("[", "", "]")} }) { leads(filter: { attributes: $a }) { nodes { id } } }`,
      `query ($a: ${within("[", "Int", "]")}) { leads(first: $a) { nodes { id } } }`,
    ]) {
      const got = await ask(text, { headers: READ });
      expect([text.slice(0, 70), codeOf(got)]).toEqual([text.slice(0, 70), expect.stringMatching(/^(QUERY_TOO_COMPLEX|BAD_USER_INPUT)$/)]);
    }
  });

  const refusedByGraphql: Readonly<Record<string, string>> = {
    "fragments in a circle": "{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }",
    "directives over and over": `{ viewer { token { id ${"@include(if: true) ".repeat(6000)} } } }`,
    "directives that nobody knows": `{ viewer { token { id ${times(6000, (n) => `@d${n}`)} } } }`,
    "arguments over and over": `{ leads(${"first: 1 ".repeat(10_000)}) { nodes { id } } }`,
    "variables over and over": `query (${times(9000, (n) => `$v${n}: Int`)}) { viewer { token { id } } }`,
    "one field in thousands of ways": `{ ${times(20, () => `leads(first: 1, filter: { niche: [${times(50, (n) => `"${n}"`)}] }) { nodes { ${"id ".repeat(90)} } }`)} leads(first: 2) { nodes { id } } }`,
  };

  test.each(Object.entries(refusedByGraphql))("%s are refused, soon", async (_name, text) => {
    const since = performance.now();
    const got = await ask(text, { headers: READ });
    expect(codeOf(got)).toBe("BAD_USER_INPUT");
    expect(performance.now() - since).toBeLessThan(5000);
    // Where each of them stands, at most.
    expect(got.text.length).toBeLessThan(500_000);
  });

  test("a page's size by a variable is no way around the limit, nor is a negative or a huge one", async () => {
    const text = `query ($n: Int) { sequences(first: $n) ${PAGES} }`;
    for (const n of [100, 2_147_483_647]) expect(codes(await server.query(text, { n }, reader))).toEqual(["QUERY_TOO_COMPLEX"]);
    for (const n of [-1, -2_147_483_648, 1e308, "100", "1; DROP TABLE leads"])
      expect(codes(await server.query(text, { n }, reader))).toEqual([expect.stringMatching(/^(BAD_USER_INPUT|QUERY_TOO_COMPLEX)$/)]);
  });

  test("variables that nest without end", async () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    const body = `{"query":"query ($a: JSONObject) { leads(filter: { attributes: $a }) { nodes { id } } }","variables":{"a":{"a":${deep}}}}`;
    const got = await send({ body, headers: READ });
    expect(JSON.parse(got.text).errors[0]).toMatchObject({ message: expect.stringMatching(/levels/), extensions: { code: "BAD_USER_INPUT" } });
  });

  test("a batch of operations in one request", async () => {
    const tokens = await countOf("api_tokens");
    const create = `mutation { createApiToken(input: { name: "x", scopes: [ADMIN] }) { secret } }`;
    const got = await send({ body: JSON.stringify(Array.from({ length: 100 }, () => ({ query: create }))) });
    expect([got.status, codeOf(got)]).toEqual([400, "BAD_USER_INPUT"]);
    const aliased = `{ ${times(31, (n) => `a${n}: createApiToken(input: { name: "x", scopes: [ADMIN] }) { secret }`)} }`;
    expect(codeOf(await ask(`mutation ${aliased}`))).toBe("QUERY_TOO_COMPLEX");
    expect(codeOf(await ask(`mutation { ... on Mutation ${aliased} }`))).toBe("QUERY_TOO_COMPLEX");
    expect(codeOf(await ask(`mutation { ...F } fragment F on Mutation ${aliased}`))).toBe("QUERY_TOO_COMPLEX");
    const several = await ask(times(3, (n) => `mutation m${n} { createApiToken(input: { name: "x", scopes: [ADMIN] }) { secret } }`));
    expect(codeOf(several)).toBe("BAD_USER_INPUT");
    expect(await countOf("api_tokens")).toBe(tokens);
  });

  test("a large body, a body that unpacks to a large one", async () => {
    const large = await send({ body: JSON.stringify({ query: VIEWER, variables: { x: "x".repeat(26_000_000) } }) });
    expect([large.status, codeOf(large)]).toEqual([413, "BAD_USER_INPUT"]);
    const before = process.memoryUsage.rss();
    const bomb = gzipSync(Buffer.concat([Buffer.from(`{"query":"${VIEWER}","x":"`), Buffer.alloc(200_000_000, "x"), Buffer.from('"}')]));
    const grown = process.memoryUsage.rss();
    for (const encoding of ["gzip", "deflate", "br", "gzip, gzip"]) {
      const got = await send({ body: bomb, headers: { "content-encoding": encoding } });
      expect([got.status, codeOf(got)]).toEqual([415, "BAD_USER_INPUT"]);
      expect((await send({ path: "/imports/leads", body: bomb, headers: { "content-encoding": encoding, "content-type": "text/csv" } })).status).toBe(415);
    }
    expect(process.memoryUsage.rss() - Math.max(before, grown)).toBeLessThan(100_000_000);
  });

  test("a body that never comes to its end", async () => {
    const clock = createJumpingClock();
    const slow = await testServer({}, clock);
    const { hostname, port } = new URL(slow.url);
    const socket = connect(Number(port), hostname);
    let text = "";
    socket.on("data", (part) => (text += part.toString()));
    socket.write(`POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${slow.secret}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"query":`);
    const seen = async () => (await one<{ used: boolean }>(slow.database.pool, "SELECT bool_or(last_used_at IS NOT NULL) AS used FROM api_tokens")).used;
    await eventually(seen, "the server has begun to read");
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(text).toBe("");
    clock.jump(300_000);
    await eventually(() => text.includes("BAD_USER_INPUT"), "the refusal");
    expect(text).toMatch(/^HTTP\/1\.1 408 .*BAD_USER_INPUT/s);
    socket.destroy();
    await slow.stop();
    expect(slow.log).toEqual([]);
  });
});

describe("who is let in", () => {
  const INTROSPECTION = getIntrospectionQuery();
  const stranger = { authorization: "" };

  test.each<[string, Init]>([
    ["POST", { body: JSON.stringify({ query: INTROSPECTION }) }],
    ["GET", { method: "GET", path: `/graphql?query=${encodeURIComponent(INTROSPECTION)}` }],
    ["server-sent events", { method: "GET", path: `/graphql?query=${encodeURIComponent(INTROSPECTION)}`, headers: { accept: "text/event-stream" } }],
    ["multipart", { body: "--x\r\n\r\n--x--", headers: { "content-type": "multipart/form-data; boundary=x" } }],
    ["HEAD", { method: "HEAD" }],
    ["a misspelt field, which gets no hint", { body: JSON.stringify({ query: "{ viewr { id } }" }) }],
    ["no query at all", { body: "{" }],
  ])("a stranger learns nothing of the schema: %s", async (_name, init) => {
    const got = await send({ ...init, headers: { ...init.headers, ...stranger } });
    expect(got.status).toBe(401);
    expect(got.text).not.toMatch(/__schema|Did you mean|viewer|Syntax/);
    // The answer to HEAD has no body.
    expect(got.text).toMatch(init.method === "HEAD" ? /^$/ : /"code":"UNAUTHENTICATED"/);
  });

  test("a stranger's browser is shown a page that holds nothing, whatever it asks with it", async () => {
    const page = await send({ method: "GET", headers: { accept: "text/html", ...stranger } });
    const asked = await send({ method: "GET", path: `/graphql?query=${encodeURIComponent(INTROSPECTION)}`, headers: { accept: "text/html", host: "evil.example", ...stranger } });
    expect([asked.status, asked.text === page.text]).toEqual([200, true]);
    expect(page.text.includes(server.secret) || page.text.includes('"queryType":{"name":"Query"')).toBe(false);
    expect(page.text.match(/<(?:script|link|img|iframe)[^>]+(?:src|href)=["']?(?:https?:)?\/\//g)).toBeNull();
  });

  /** What a WebSocket is told after these messages, and with what it is closed. */
  const overWebSocket = async (messages: readonly unknown[], headers: Record<string, string> = {}, protocol: string | string[] = "graphql-transport-ws") => {
    const socket = new WebSocket(server.url.replace("http", "ws"), protocol, { headers });
    const told: string[] = [];
    socket.on("message", (data: Buffer) => told.push(data.toString()));
    socket.on("open", () => messages.forEach((message) => socket.send(typeof message === "string" ? message : JSON.stringify(message))));
    const closed = await new Promise<{ code: number; reason: string }>((resolve, reject) => {
      socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
      socket.on("error", reject);
    });
    return { told, ...closed };
  };
  const subscribe = { id: "1", type: "subscribe", payload: { query: INTROSPECTION } };

  test("a stranger learns nothing over WebSocket: without a token, before having said which, or with a cookie from another site's page", async () => {
    expect(await overWebSocket([{ type: "connection_init" }, subscribe])).toMatchObject({ told: [], code: 4401 });
    expect(await overWebSocket([{ type: "connection_init", payload: { Authorization: `Bearer ${newSecret()}` } }, subscribe])).toMatchObject({ told: [], code: 4401 });
    expect(await overWebSocket([subscribe])).toMatchObject({ told: [], code: 4401 });
    const hijacking = { origin: "https://evil.example", cookie: `authorization=Bearer ${server.secret}; token=${server.secret}` };
    expect(await overWebSocket([{ type: "connection_init" }, subscribe], hijacking)).toMatchObject({ told: [], code: 4401 });
    expect(await overWebSocket([{ type: "connection_init", payload: {} }], { ...hijacking, authorization: `Bearer ${server.secret}` })).toMatchObject({ told: [], code: 4401 });
  });

  test.each<[string, unknown]>([
    ["no JSON", "{"],
    ["null", null],
    ["what is no message", { type: "__proto__" }],
    ["what is no query", { id: "1", type: "subscribe", payload: { query: { a: 1 } } }],
    ["a message too large", "x".repeat(5_000_001)],
  ])("a WebSocket is closed at %s", async (_name, message) => {
    const { code, told } = await overWebSocket([{ type: "connection_init", payload: { Authorization: `Bearer ${server.secret}` } }, message]);
    expect([1006, 1009, 4400]).toContain(code);
    expect(told.join("")).not.toMatch(LEAK);
  });

  test("cookies are neither set nor read", async () => {
    const got = await ask(VIEWER, { headers: { authorization: "", cookie: `authorization=Bearer ${server.secret}` } });
    expect([got.status, got.headers["set-cookie"]]).toEqual([401, undefined]);
    expect((await ask(VIEWER)).headers["set-cookie"]).toBeUndefined();
  });

  test("a token that is unknown, mistyped, expired, revoked or malformed gets the same answer", async () => {
    const [expired, revoked] = [await server.tokenFor(["READ"]), await server.tokenFor(["READ"])];
    const { pool } = server.database;
    await pool.query("UPDATE api_tokens SET expires_at = now() - interval '1 second' WHERE prefix = $1", [expired.slice(0, 11)]);
    await pool.query("UPDATE api_tokens SET revoked_at = now() WHERE prefix = $1", [revoked.slice(0, 11)]);
    const good = newSecret();
    const answers = [];
    for (const secret of [good, `${good.slice(0, -1)}_`, expired, revoked, "x", "' OR 1=1 --".replaceAll(" ", ""), "x".repeat(10_000), server.secret.slice(0, -1), `${server.secret}x`]) {
      const { status, text, headers } = await ask(VIEWER, { headers: { authorization: `Bearer ${secret}` } });
      answers.push(JSON.stringify([status, text, headers["www-authenticate"]]));
    }
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain("The token is unknown, expired or revoked.");
  });

  test("each mutation, and whatever else needs a scope, is FORBIDDEN to every token without it", { timeout: 120_000 }, async () => {
    const { ids } = await settle("Own");
    const workspaceId = ids["Workspace"]?.slice("Workspace:".length);
    const roots = { query: schema.getQueryType(), mutation: schema.getMutationType(), subscription: schema.getSubscriptionType() };
    const wantedBy = (kind: keyof typeof roots, field: string): TokenScope => {
      const named = /Needs ([A-Z]+)/.exec(roots[kind]?.getFields()[field]?.description ?? "")?.[1];
      return (named as TokenScope | undefined) ?? (kind === "mutation" ? "MANAGE" : "READ");
    };
    const logged = await countOf("audit_log");
    const [refused, allowed]: [string[], string[]] = [[], []];
    for (const scope of TOKEN_SCOPES) {
      const secret = await server.tokenFor([scope], workspaceId);
      for (const { kind, field, query, variables } of operationsOf(schema, ids)) {
        if (hasScope([scope], wantedBy(kind, field))) continue;
        const text = kind === "subscription" ? await firstOf(query, variables, secret) : JSON.stringify(await server.query(query, variables, secret));
        (/"code":"FORBIDDEN"/.test(text) && !/"secret":"/.test(text) ? refused : allowed).push(`${scope}: ${kind} ${field}`);
      }
    }
    expect(allowed).toEqual([]);
    expect(refused).toEqual(expect.arrayContaining(["READ: mutation createLead", "MANAGE: query auditLog", "MANAGE: query apiTokens", "MANAGE: mutation createApiToken", "ADMIN: mutation pairDevice", "ADMIN: subscription devicePairing"]));
    expect(refused.filter((each) => each.startsWith("READ: mutation")).length).toBe(Object.keys(schema.getMutationType()?.getFields() ?? {}).length - 1); // but for importLeads, which takes a file
    expect(await countOf("audit_log")).toBe(logged);
  });

  test("a file is imported by no token that may only read", async () => {
    const secret = await server.tokenFor(["READ"]);
    const imports = await countOf("lead_imports");
    const body = ["--x", 'Content-Disposition: form-data; name="operations"', "", '{"query":"mutation ($file: File!) { importLeads(file: $file) { leadImport { id } } }","variables":{"file":null}}', "--x", 'Content-Disposition: form-data; name="map"', "", '{"0":["variables.file"]}', "--x", 'Content-Disposition: form-data; name="0"; filename="a.csv"', "", "phone\r\n+60111234567", "--x--", ""].join("\r\n");
    const headers = { "content-type": "multipart/form-data; boundary=x", authorization: `Bearer ${secret}` };
    expect(codeOf(await send({ body, headers }))).toBe("FORBIDDEN");
    expect((await send({ path: "/imports/leads", body: "phone\n", headers: { ...headers, "content-type": "text/csv" } })).status).toBe(403);
    expect(await countOf("lead_imports")).toBe(imports);
  });

  test("a subscription ends when its token is revoked, and gets nothing after", async () => {
    const clock = createJumpingClock();
    const bell = createBell();
    let stop = async () => {};
    const watched = await testServer(async ({ pool }) => {
      const log = await startEventLog(pool, bell);
      stop = () => log.tailer.stop();
      return log;
    }, clock);
    const secret = await watched.tokenFor(["READ"]);
    const events = watched.webSocket(secret).iterate({ query: "subscription { leadEvents { cursor } }" });
    const next = events.next();
    await eventually(async () => (await one<{ used: boolean }>(watched.database.pool, "SELECT last_used_at IS NOT NULL AS used FROM api_tokens WHERE prefix = $1", [secret.slice(0, 11)])).used, "the token is used");
    await watched.database.pool.query("UPDATE api_tokens SET revoked_at = now() WHERE prefix = $1", [secret.slice(0, 11)]);
    const moving = setInterval(() => clock.jump(10_000), 100);
    expect(await next).toMatchObject({ value: { data: null, errors: [{ extensions: { code: "UNAUTHENTICATED" } }] } });
    expect(await events.next()).toMatchObject({ done: true });
    clearInterval(moving);
    await Promise.all([watched.stop(), stop()]);
  });

  const CREATE = 'mutation { createDevice(input: { name: "forged", transport: SIMULATOR }) { device { id } } }';

  test("a mutation over GET, or by a method that is none of the API's", async () => {
    const devices = await countOf("devices");
    const path = `/graphql?query=${encodeURIComponent(CREATE)}`;
    for (const method of ["GET", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"]) {
      const got = await send({ method, path });
      expect([method, got.status, codeOf(got)]).toEqual([method, 405, "BAD_USER_INPUT"]);
      expect(got.text).not.toContain(server.secret);
    }
    const overridden = await send({ method: "GET", path, headers: { "x-http-method-override": "POST", "x-http-method": "POST" } });
    expect(overridden.status).toBe(405);
    expect(await countOf("devices")).toBe(devices);
  });

  test.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql", "application/json", ""])("forgery from another site, by what its page may send without asking: %s", async (type) => {
    const devices = await countOf("devices");
    const form = ["--x", 'Content-Disposition: form-data; name="operations"', "", JSON.stringify({ query: CREATE }), "--x", 'Content-Disposition: form-data; name="map"', "", "{}", "--x--", ""].join("\r\n");
    const body = { "application/x-www-form-urlencoded": `query=${encodeURIComponent(CREATE)}`, "multipart/form-data; boundary=x": form, "application/graphql": CREATE }[type] ?? JSON.stringify({ query: CREATE });
    const got = await send({ body, headers: { "content-type": type, authorization: "", origin: "https://evil.example", cookie: `token=${server.secret}` } });
    expect([got.status, codeOf(got)]).toEqual([401, "UNAUTHENTICATED"]);
    expect(await countOf("devices")).toBe(devices);
  });
});

describe("what is no proper request", () => {
  test.each(["null", "[]", "1", '"x"', "{}", '{"query":1}', '{"query":{"a":1}}', `{"query":"${VIEWER}","operationName":{}}`, `{"query":"${VIEWER}","operationName":"nobody"}`, `{"query":"${VIEWER}","variables":[]}`, `{"query":"${VIEWER}","variables":"x"}`, `{"query":"${VIEWER}","extensions":1}`, "", "{", "\0"])("is BAD_USER_INPUT: %s", async (body) => {
    expect(codeOf(await send({ body }))).toBe("BAD_USER_INPUT");
  });

  test.each<[string, string, string | undefined]>([
    ["operations that are no JSON", "{", undefined],
    ["operations that are a number, with a place in them", "1", '{"0":["variables.file"]}'],
    ["operations that are a text, with a place in them", '"x"', '{"0":["0"]}'],
    ["a map that is no JSON", "{}", "{"],
    ["a map to a number", "{}", '{"0":5}'],
    ["a map to places that are numbers", "{}", '{"0":[5]}'],
    ["a map to the prototype", `{"query":"${VIEWER}","variables":{}}`, '{"0":["__proto__.polluted","variables.__proto__.polluted","constructor.prototype.polluted"]}'],
    ["a batch", `[{"query":"${VIEWER}"},{"query":"${VIEWER}"}]`, "{}"],
    ["a file where none is taken", `{"query":"query ($a: String) { leads(filter: { search: $a }) { nodes { id } } }","variables":{"a":null}}`, '{"0":["variables.a"]}'],
    ["a place thousands of levels deep", `{"query":"${VIEWER}","variables":{}}`, `{"0":["variables${".a".repeat(5000)}"]}`],
    ["what is in a place where a form's part is not", "", undefined],
  ])("a form with %s", async (name, operations, map) => {
    const form = new FormData();
    if (operations !== "") form.set("operations", operations);
    if (map !== undefined) form.set("map", map);
    form.set("0", new File(["phone\n"], "a.csv"));
    const response = await fetch(server.url, { method: "POST", body: form, headers: { authorization: `Bearer ${server.secret}` } });
    const { errors } = (await response.json()) as Answer;
    expect(errors?.[0]?.extensions["code"]).toBe(name === "a map to the prototype" ? undefined : "BAD_USER_INPUT");
    expect(({} as Loose).polluted).toBeUndefined();
  });

  test.each(["variables=%7B", "variables=1", "extensions=%7B", "variables=%5B%5D"])("an address or a form of old with %s", async (wrong) => {
    const text = `query=${encodeURIComponent(VIEWER)}&${wrong}`;
    expect(codeOf(await send({ method: "GET", path: `/graphql?${text}` }))).toBe("BAD_USER_INPUT");
    expect(codeOf(await send({ body: text, headers: { "content-type": "application/x-www-form-urlencoded" } }))).toBe("BAD_USER_INPUT");
  });

  test("invalid UTF-8, and other character sets", async () => {
    const before = Buffer.from('{"query":"{ leads(filter: { search: \\"');
    const after = Buffer.from('\\" }) { nodes { id } } }"}');
    for (const bytes of [[0xff, 0xfe], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
      expect((await send({ body: Buffer.concat([before, Buffer.from(bytes), after]) })).text).not.toMatch(LEAK);
    }
    expect((await send({ body: Buffer.from(JSON.stringify({ query: VIEWER }), "utf16le"), headers: { "content-type": "application/json; charset=utf-16" } })).text).not.toMatch(LEAK);
  });

  test("keys that come twice: the last counts in JSON, and GraphQL refuses them", async () => {
    const twice = await send({ body: `{"query":"mutation { nothing }","query":"${VIEWER}"}` });
    expect(JSON.parse(twice.text).data.viewer.token.id).toMatch(/^ApiToken:/);
    expect(codeOf(await ask('{ leads(filter: { search: "a", search: "b" }) { nodes { id } } }'))).toBe("BAD_USER_INPUT");
  });

  test("numbers that are none", async () => {
    for (const number of ["1e999", "-1e999", "NaN", "Infinity", "0x10", "1.5", "9007199254740993", "true", '"1"']) {
      const got = await send({ body: `{"query":"query ($n: Int) { leads(first: $n) { nodes { id } } }","variables":{"n":${number}}}` });
      expect([number, codeOf(got)]).toEqual([number, "BAD_USER_INPUT"]);
    }
    const rate = await send({ body: '{"query":"mutation ($r: Float) { createDevice(input: { name: \\"x\\", transport: SIMULATOR, simulatedFailureRate: $r }) { device { id } } }","variables":{"r":1e999}}' });
    expect(codeOf(rate)).toBe("BAD_USER_INPUT");
  });

  const POST = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
  const SMUGGLED = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

  test.each([
    ["two lengths", `${POST}Content-Length: 5\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`],
    ["a length and chunks", `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["chunks under another name", `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["a length with a sign", `${POST}Content-Length: +5\r\n\r\nabcde${SMUGGLED}`],
    ["a blank before the colon", `${POST}Content-Length : 5\r\n\r\n${SMUGGLED}`],
    ["a header that goes on in the next line", `${POST}X: a\r\n b: c\r\n\r\n${SMUGGLED}`],
    ["lines that end with LF", `${POST.replaceAll("\r\n", "\n")}\n${SMUGGLED}`],
    ["a NUL in a header", `${POST}X: a\0b\r\n\r\n${SMUGGLED}`],
    ["no host", "GET /graphql HTTP/1.1\r\n\r\n"],
    ["headers without end", `${POST}${"X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(2000)}\r\n`],
    ["no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ])("smuggling, or no HTTP at all: %s", async (_name, bytes) => {
    const told = await raw(bytes);
    expect(told).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(told).not.toMatch(/^ok$/m);
    expect((await server.query(VIEWER)).status).toBe(200);
  });

  test("an upgrade to something else, a proxy's methods, and somebody else's host", async () => {
    const upgrade = (headers: string) => raw(`GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n${headers}\r\n`);
    expect(await upgrade("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await upgrade("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n")).toBe("");
    expect(await raw("GET http://evil.example/graphql HTTP/1.1\r\nHost: evil.example\r\n\r\n")).toMatch(/^HTTP\/1\.1 404 /);
    const hosts = ["evil.example/path?x", "evil.example#", "[::1", "a b", "@", "x@evil.example", "\u00e9", "1.2.3.400", "evil.example:99999"];
    for (const host of hosts) expect([host, (await send({ method: "GET", path: `/graphql?query=${encodeURIComponent(VIEWER)}`, headers: { host } }).catch(() => ({ status: 400 }))).status]).toEqual([host, 400]);
    for (const host of [...hosts, "evil.example", "127.0.0.1:80", "[::1]:4000", ""]) {
      const told = await raw(Buffer.from(`GET /graphql?query=%7Bviewer%7Btoken%7Bid%7D%7D%7D HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${server.secret}\r\nConnection: close\r\n\r\n`, "latin1"));
      expect(told).not.toMatch(LEAK);
      expect(told).not.toContain("evil.example");
    }
    for (const path of ["/graphql?%ff", "/graphql?query=%", "/graphql?query=%E0%A4%A", "/graphql?\u00ff", "/graphql?query[]=x&query[a]=y", "/graphql?__proto__[x]=1", "/graphql?variables=%7B&query=%7Bviewer%7D"]) {
      expect(await raw(Buffer.from(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.secret}\r\nConnection: close\r\n\r\n`, "latin1"))).not.toMatch(LEAK);
    }
  });
});

test("nothing of all this has failed inside", () => {
  expect(server.log).toEqual([]);
});
