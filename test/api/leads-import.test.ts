import { once } from "node:events";
import { createServer, request as httpRequest, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UNLIMITED } from "../../src/access/request-limit.ts";
import { createTokens } from "../../src/access/tokens.ts";
import { processIdentity } from "../../src/dispatcher/process-identity.ts";
import { createBell } from "../../src/events/bell.ts";
import { createImporter, type Importer } from "../../src/leads/import.ts";
import { createImportHandler } from "../../src/leads/import-http.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { eventually } from "../support/eventually.ts";
import { one, query, silent } from "../support/factories.ts";
import { testOptOutHash } from "../support/opt-out-hash.ts";
import { testServer, type Answer, type TestServer } from "../support/server.ts";

let server: TestServer;
let importer: Importer;
let http: Server;
let url: string;

beforeAll(async () => {
  server = await testServer(async ({ pool }) => {
    const bell = createBell();
    importer = createImporter({ pool, bell, clock: systemClock, logger: silent, process: processIdentity(), optOutHash: testOptOutHash });
    const tokens = createTokens({ pool, clock: systemClock, limit: UNLIMITED });
    const handle = createImportHandler({ pool, tokens, importer });
    http = createServer({ requestTimeout: 0 }, (request, response) => void handle(request, response));
    return { bell, importer };
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/imports/leads`;
});
afterAll(async () => {
  await importer.stop();
  http.closeAllConnections();
  http.close();
  await server.stop();
});

const rows = (count: number, first = 0) => Array.from({ length: count }, (_, index) => `+6011${10_000_000 + first + index},Lead ${first + index}\n`).join("");
const countRows = async () => one(server.database.pool, "SELECT (SELECT count(*) FROM leads) AS leads, (SELECT count(*) FROM lead_imports) AS imports");

type Init = { readonly headers?: Record<string, string>; readonly method?: string; readonly parameters?: Record<string, string>; readonly secret?: string };

async function send(body: string | ReadableStream, { headers = {}, method = "POST", parameters = {}, secret = server.secret }: Init = {}) {
  const address = `${url}?${new URLSearchParams(parameters)}`;
  const all = { "content-type": "text/csv", authorization: `Bearer ${secret}`, ...headers };
  const response = await fetch(address, { method, headers: all, ...(method !== "GET" && { body, duplex: "half" }) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe("POST /imports/leads", () => {
  test("imports the body and answers with the counts when it is done", async () => {
    const { status, body } = await send(`phone,name\n${rows(3)}+60,x\n`, { parameters: { fileName: "mine.csv", triggers: "a, b", consentSource: "form", consentAt: "2026-10-01T00:00:00Z" } });
    expect(status).toBe(201);
    expect(body).toEqual({ id: expect.stringMatching(/^LeadImport:/), status: "COMPLETED", rowsRead: 4, rowsCreated: 3, rowsUpdated: 0, rowsRejected: 1, rejects: `/imports/leads/${String(body["id"])}/rejects.csv` });
    // Noted once, however many batches were written.
    const noted = await query(server.database.pool, "SELECT operation, fields, result FROM audit_log");
    expect(noted).toEqual([{ operation: "POST /imports/leads", fields: ["fileName", "triggers", "consentSource", "consentAt"], result: String(body["id"]).replace("LeadImport:", "") }]);
    const { data } = await server.query(
      "query ($id: ID!) { leadImport(id: $id) { fileName status progress startedAt finishedAt rejects { nodes { line reason raw } } } leads(filter: { importId: $id }) { totalCount nodes { triggers consent { source } } } }",
      { id: body["id"] },
    );
    expect(data.leadImport).toMatchObject({ fileName: "mine.csv", status: "COMPLETED", progress: 1, rejects: { nodes: [{ line: 5, raw: "+60,x" }] } });
    expect(data.leads).toMatchObject({ totalCount: 3, nodes: Array.from({ length: 3 }, () => ({ triggers: ["a", "b"], consent: { source: "form" } })) });
  });

  test("takes a body whose length nobody knows, from a client that reads nothing before all is sent", async () => {
    const outgoing = httpRequest(url, { method: "POST", headers: { authorization: `Bearer ${server.secret}` } });
    outgoing.write("phone,na");
    for (let piece = 0; piece < 20; piece++) outgoing.write(piece === 0 ? `me\n${rows(1000, 1000)}` : rows(1000, (piece + 1) * 1000));
    outgoing.end();
    const [response] = await once(outgoing, "response");
    expect(response.statusCode).toBe(201);
    response.resume();
    expect(await one(server.database.pool, "SELECT count(*)::int AS leads FROM leads WHERE phone >= '601110001000'")).toEqual({ leads: 20_000 });
  });

  test("needs a token that may change leads", async () => {
    const before = await countRows();
    const missing = await send("phone\n+60123456701\n", { headers: { authorization: "" } });
    expect(missing).toEqual({
      status: 401,
      body: { errors: [{ message: "A token is needed. Send the header 'Authorization: Bearer <token>'. The admin token is in .rentak/admin-token.", code: "UNAUTHENTICATED" }] },
    });
    const reader = await send("phone\n+60123456701\n", { secret: await server.tokenFor(["READ"]) });
    expect(reader).toEqual({ status: 403, body: { errors: [{ message: "This token has the scopes READ; importing leads needs MANAGE.", code: "FORBIDDEN" }] } });
    expect(await countRows()).toEqual(before);
  });

  test("refuses a wrong header, also while much more is being sent, and keeps nothing", async () => {
    const before = await countRows();
    const { status, body } = await send(`number,name\n${rows(300_000)}`);
    expect(status).toBe(400);
    expect(body).toEqual({
      errors: [{ code: "INVALID", message: "The first line must name the columns; 'phone' is missing. Right would be: phone,name,niche,trigger", field: ["file"] }],
    });
    expect(await countRows()).toEqual(before);
  });

  test("refuses forms, compressed bodies and unknown parameters, and says what is right", async () => {
    const example = 'curl -T leads.csv -X POST -H "Authorization: Bearer <token>" "http://127.0.0.1:4000/imports/leads?fileName=leads.csv"';
    const form = await send("x", { headers: { "content-type": "multipart/form-data; boundary=x" } });
    const message = `The body must be the file itself, with Content-Type: text/csv, not multipart/form-data. For example: ${example}`;
    expect(form).toEqual({ status: 415, body: { errors: [{ message, code: "INVALID" }] } });
    expect(await send("x", { headers: { "content-encoding": "gzip" } })).toMatchObject({ status: 415 });
    expect(await send("", { method: "GET" })).toMatchObject({ status: 405 });
    const misspelt = await send("phone\n", { parameters: { trigger: "a" } });
    const known = "There is no parameter 'trigger'; there are fileName, triggers, consentSource, consentAt, idempotencyKey.";
    expect(misspelt).toEqual({ status: 400, body: { errors: [{ code: "INVALID", message: known, field: ["trigger"] }] } });
    expect(await send("phone\n", { parameters: { consentSource: "x" } })).toMatchObject({ status: 400 });
    expect(await send("phone\n", { parameters: { consentSource: "x", consentAt: "yesterday" } })).toMatchObject({ status: 400, body: { errors: [{ field: ["consentAt"] }] } });
    expect(await send("phone\n", { parameters: { triggers: "two words" } })).toMatchObject({ status: 400, body: { errors: [{ field: ["triggers"] }] } });
  });

  test("a repeat with the same key answers as the first did", async () => {
    const parameters = { idempotencyKey: "import-1" };
    const first = await send("phone\n+60123456741\n", { parameters });
    const second = await send("phone\n+60123456741\n", { parameters });
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.body).toEqual(first.body);
    expect(await send("phone\n+60123456742,\n", { parameters })).toMatchObject({ status: 409, body: { errors: [{ code: "CONFLICT" }] } });
  });

  test("a file that is broken halfway is answered with what was done", async () => {
    const { status, body } = await send('phone,name\n+60123456751,Ali\n+60123456752,"Siti\n');
    expect(status).toBe(422);
    expect(body).toMatchObject({ status: "FAILED", rowsRead: 2, rowsCreated: 1, rowsRejected: 1, errors: [{ code: "INVALID" }] });
  });

  test("a connection that breaks leaves a failed import, truly counted", async () => {
    const outgoing = httpRequest(url, { method: "POST", headers: { authorization: `Bearer ${server.secret}`, "content-length": "1000000" } });
    outgoing.on("error", () => {});
    outgoing.write(`phone,name\n${rows(2500, 100_000)}`);
    const running = "SELECT id FROM lead_imports WHERE status = 'RUNNING' AND rows_read = 2000";
    const { id } = await eventually(async () => (await query<{ id: string }>(server.database.pool, running))[0], "the first batch");
    outgoing.destroy();
    const ended = await eventually(async () => {
      const { data } = await server.query("query ($id: ID!) { leadImport(id: $id) { status rowsRead rowsCreated progress } }", { id: `LeadImport:${id}` });
      return data.leadImport.status !== "RUNNING" && data.leadImport;
    }, "the end");
    const { leads } = await one<{ leads: number }>(server.database.pool, "SELECT count(*)::int AS leads FROM leads WHERE import_id = $1", [id]);
    expect(ended).toMatchObject({ status: "FAILED", rowsRead: leads, rowsCreated: leads });
    expect(leads).toBeGreaterThanOrEqual(2000);
    expect(ended.progress).toBeGreaterThan(0);
    expect(ended.progress).toBeLessThan(1);
  });
});

describe("importLeads", () => {
  const IMPORT = `mutation ($file: File!, $triggers: [String!], $key: String) {
    importLeads(file: $file, triggers: $triggers, idempotencyKey: $key) { leadImport { id fileName status } userErrors { code message field } } }`;

  async function upload(content: string, variables: Record<string, unknown> = {}) {
    const form = new FormData();
    form.set("operations", JSON.stringify({ query: IMPORT, variables: { ...variables, file: null } }));
    form.set("map", JSON.stringify({ 0: ["variables.file"] }));
    form.set("0", new File([content], "upload.csv", { type: "text/csv" }));
    const response = await fetch(server.url, { method: "POST", headers: { authorization: `Bearer ${server.secret}` }, body: form });
    return { ...((await response.json()) as Answer), status: response.status };
  }

  test("begins at once and goes on in the background, which leadImportProgress shows to the end", async () => {
    const { data } = await upload(`phone,name\n${rows(5000, 200_000)}`, { triggers: ["given"] });
    expect(data.importLeads).toMatchObject({ leadImport: { fileName: "upload.csv" }, userErrors: [] });
    const { id } = data.importLeads.leadImport;
    const subscription = { query: "subscription ($id: ID!) { leadImportProgress(id: $id) { status rowsRead rowsCreated progress } }", variables: { id } };
    const seen: unknown[] = [];
    for await (const event of server.webSocket().iterate(subscription)) seen.push(event.data?.["leadImportProgress"]);
    expect(seen.at(-1)).toEqual({ status: "COMPLETED", rowsRead: 5000, rowsCreated: 5000, progress: 1 });
    const late: unknown[] = [];
    for await (const event of server.webSocket().iterate(subscription)) late.push(event.data?.["leadImportProgress"]);
    expect(late).toEqual([seen.at(-1)]);
    const { data: listed } = await server.query("{ leadImports(first: 1) { nodes { id } pageInfo { hasNextPage } } }");
    expect(listed.leadImports).toEqual({ nodes: [{ id }], pageInfo: { hasNextPage: true } });
  });

  test("refuses a wrong header, and keeps nothing", async () => {
    const before = await countRows();
    const { data } = await upload("name\nAli\n");
    expect(data.importLeads).toEqual({
      leadImport: null,
      userErrors: [{ code: "INVALID", message: "The first line must name the columns; 'phone' is missing. Right would be: phone,name,niche,trigger", field: ["file"] }],
    });
    expect(await countRows()).toEqual(before);
  });

  test("a file of more than 25 MB is refused, naming what takes it", async () => {
    const before = await countRows();
    const { status, errors } = await upload(`phone,name\n${"+60123456701,Ali\n".repeat(1_500_000)}`);
    expect(status).toBe(413);
    expect(errors?.[0]?.message).toContain("POST /imports/leads");
    expect(errors?.[0]?.message).toContain("25 MB");
    expect(await countRows()).toEqual(before);
  });

  test("of an import that does not exist there is no progress, and nothing to cancel", async () => {
    const id = "LeadImport:01900000-0000-7000-8000-00000000dead";
    const { data } = await server.query("mutation ($id: ID!) { cancelLeadImport(id: $id) { leadImport { id } userErrors { code field } } }", { id });
    expect(data.cancelLeadImport).toEqual({ leadImport: null, userErrors: [{ code: "NOT_FOUND", field: ["id"] }] });
    const seen: unknown[] = [];
    for await (const event of server.webSocket().iterate({ query: "subscription ($id: ID!) { leadImportProgress(id: $id) { id } }", variables: { id } })) seen.push(event.errors?.[0]?.message);
    expect(seen).toEqual([`There is no import ${id}; the query leadImports lists them.`]);
  });

  test("rejects are paged", async () => {
    const { body } = await send(`phone\n${Array.from({ length: 30 }, (_, index) => `${index}\n`).join("")}`);
    const page = async (after: string | null) => {
      const { data } = await server.query(
        "query ($id: ID!, $after: String) { leadImport(id: $id) { rejects(first: 20, after: $after) { nodes { line } edges { cursor } pageInfo { hasNextPage endCursor } } } }",
        { id: body["id"], after },
      );
      return data.leadImport.rejects;
    };
    const first = await page(null);
    expect(first.pageInfo.hasNextPage).toBe(true);
    const second = await page(first.pageInfo.endCursor);
    const lines = [...first.nodes, ...second.nodes].map(({ line }: { line: number }) => line);
    expect(lines).toEqual(Array.from({ length: 30 }, (_, index) => index + 2));
    expect(second.pageInfo.hasNextPage).toBe(false);
  });
});
