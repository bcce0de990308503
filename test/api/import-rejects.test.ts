// What an import refused, downloaded, mended and imported again; cancelling; and being told of an import while it is sent.

import { once } from "node:events";
import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UNLIMITED } from "../../src/access/request-limit.ts";
import { createTokens } from "../../src/access/tokens.ts";
import { processIdentity } from "../../src/dispatcher/process-identity.ts";
import { createBell } from "../../src/events/bell.ts";
import { listen, type HttpServer } from "../../src/http.ts";
import { createImporter, type Importer } from "../../src/leads/import.ts";
import { createImportHandler } from "../../src/leads/import-http.ts";
import { createRejectsHandler } from "../../src/leads/rejects-http.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { addWorkspace, query, silent } from "../support/factories.ts";
import { testOptOutHash } from "../support/opt-out-hash.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let importer: Importer;
let http: HttpServer;
let url: string;

beforeAll(async () => {
  server = await testServer(async ({ pool }) => {
    const bell = createBell();
    importer = createImporter({ pool, bell, clock: systemClock, logger: silent, process: processIdentity(), optOutHash: testOptOutHash });
    const tokens = createTokens({ pool, clock: systemClock, limit: UNLIMITED });
    http = await listen("127.0.0.1", 0, { onError: (error) => expect.unreachable(String(error)) });
    http.open({ requests: { "/imports/leads": createImportHandler({ pool, tokens, importer }), "/imports/leads/": createRejectsHandler({ pool, tokens }) }, upgrades: {} });
    return { bell, importer };
  });
  url = `http://127.0.0.1:${http.port}`;
});
afterAll(async () => {
  await importer.stop();
  await http.close(0);
  await server.stop();
});

type Body = { id: string; status: string; rowsRead: number; rowsCreated: number; rowsUpdated: number; rowsRejected: number; rejects?: string; errors?: { message: string }[] };

const authorization = () => `Bearer ${server.secret}`;

async function send(body: string | Buffer, parameters = ""): Promise<Body> {
  const headers = { "content-type": "text/csv", authorization: authorization() };
  const response = await fetch(`${url}/imports/leads?${parameters}`, { method: "POST", headers, body: body as BodyInit });
  return (await response.json()) as Body;
}

async function download({ rejects = "" }: Body, secret = server.secret) {
  const response = await fetch(url + rejects, { headers: { authorization: `Bearer ${secret}` } });
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
}

const textOf = async (body: Body) => (await download(body)).bytes.toString().replace(/^\uFEFF/, "");
const leads = (phones: readonly string[]) =>
  query(server.database.pool, "SELECT phone, name, niche, attributes FROM leads WHERE phone = ANY ($1) ORDER BY phone", [phones]);

describe("GET /imports/leads/<id>/rejects.csv", () => {
  test("gives every refused row with its line and reason, under the file's own first line, and nothing that a spreadsheet would run", async () => {
    const refused = await send('\uFEFFPhone,Name,Home City\n123,"=HYPERLINK(""http://x"")"," +1"\n+60123450001,ok,\n@SUM,"a\nb",＝1\n+60123450002,x,y,z\n', "fileName=my%20leads.csv");
    expect(refused).toMatchObject({ status: "COMPLETED", rowsRead: 4, rowsCreated: 1, rowsRejected: 3, rejects: `/imports/leads/${refused.id}/rejects.csv` });
    const { status, headers, bytes } = await download(refused);
    expect([status, headers.get("content-type"), headers.get("content-disposition")]).toEqual([
      200,
      "text/csv; charset=utf-8",
      "attachment; filename=\"rejects.csv\"; filename*=UTF-8''my%20leads.rejects.csv",
    ]);
    expect(bytes.toString()).toBe(
      "\uFEFFline,reason,Phone,Name,Home City\r\n" +
        `2,"'123' is too short for a phone number of Malaysia (MY); write it like +60123456789",123,"'=HYPERLINK(""http://x"")",' +1\r\n` +
        `4,"''@SUM' is not a phone number; write it like +60123456789",'@SUM,"a\nb",'＝1\r\n` +
        `6,"The row has 4 cells, the first line 3; put a cell that holds a comma between quotes",'+60123450002,x,y,z\r\n`,
    );
  });

  test("mended and imported again, every cell has its true value: a phone number with its plus, and what looked like a formula", async () => {
    const refused = await send("phone;name;niche;note\n+60123450011;=Ali;+fit;'-quoted'\n+60123450012;Siti;x;y;z\n".replace("=Ali", `=Ali${"!".repeat(300)}`));
    expect(refused).toMatchObject({ rowsRejected: 2 });
    const text = await textOf(refused);
    expect(text).toContain("'+60123450011;'=Ali!");
    const mended = await send(text.replace("!".repeat(300), "").replace("y;z", "y"));
    expect(mended).toMatchObject({ status: "COMPLETED", rowsRead: 2, rowsCreated: 2, rowsRejected: 0 });
    expect(await leads(["60123450011", "60123450012"])).toEqual([
      { phone: "60123450011", name: "=Ali", niche: "+fit", attributes: { note: "'-quoted'" } },
      { phone: "60123450012", name: "Siti", niche: "x", attributes: { note: "y" } },
    ]);
  });

  test("a row that is refused again stands in the next download as it stood in the first file", async () => {
    const first = await textOf(await send("phone\tname\n+6012\t=Ali\n"));
    const again = await send(first);
    expect(again).toMatchObject({ rowsRejected: 1 });
    expect(await textOf(again)).toBe(first);
  });

  test("a row with a quote that is not closed is given line by line, whole", async () => {
    const refused = await send('phone,name\n+60123450021,"Ali\n+60123450022,"Bob"\n+60123450023,Good\n');
    expect(refused).toMatchObject({ rowsRejected: 1, rowsCreated: 1 });
    const reason = '"A quote is opened here and not closed before the end of the line; close it, or write it twice where it belongs to the text"';
    const text = await textOf(refused);
    expect(text).toBe(`line,reason,phone,name\r\n2,${reason},'+60123450021,"""Ali"\r\n3,${reason},'+60123450022,"""Bob"""\r\n`);
    expect(await send(text.replaceAll('"""', '"'))).toMatchObject({ rowsCreated: 2, rowsRejected: 0 });
    expect((await leads(["60123450021", "60123450022"])).map(({ name }) => name)).toEqual(["Ali", "Bob"]);
  });

  test("keeps rows of any length whole, and has all of them, in the file's order", async () => {
    const long = "x".repeat(30_000);
    const refused = await send(`phone,name\n1,${long}\n${Array.from({ length: 5000 }, (_, n) => `${n},n${n}\n`).join("")}`);
    expect(refused).toMatchObject({ rowsRead: 5001, rowsRejected: 5001 });
    const lines = (await textOf(refused)).trimEnd().split("\r\n").slice(1);
    expect(lines[0]).toContain(long);
    expect(lines.map((line) => Number(line.split(",", 1)[0]))).toEqual(Array.from({ length: 5001 }, (_, n) => n + 2));
  });

  test("is for tokens of the workspace alone", async () => {
    const refused = await send("phone\n1\n");
    expect((await download(refused, await server.tokenFor(["READ"]))).status).toBe(200);
    const stranger = await server.tokenFor(["ADMIN"], await addWorkspace(server.database.pool));
    const asStranger = await download(refused, stranger);
    expect([asStranger.status, JSON.parse(asStranger.bytes.toString())]).toEqual([404, { errors: [{ code: "NOT_FOUND", message: expect.stringContaining("There is no such import") }] }]);
    expect((await download(refused, "rentak_wrong")).status).toBe(401);
    expect((await fetch(url + refused.rejects)).status).toBe(401);
    expect((await fetch(url + refused.rejects, { method: "DELETE", headers: { authorization: authorization() } })).status).toBe(405);
    for (const path of ["x", "LeadImport:x", "LeadImport:01900000-0000-7000-8000-00000000dead"]) {
      expect((await download({ rejects: `/imports/leads/${path}/rejects.csv` } as Body)).status).toBe(404);
    }
  });
});

describe("a file that is no CSV in UTF-8", () => {
  test.each([
    ["UTF-16", Buffer.from("\uFEFFphone,name\n+60123450031,Ali\n", "utf16le"), "The file is UTF-16 text."],
    ["a workbook", Buffer.from("PK\u0003\u0004..."), "The file is a spreadsheet (.xlsx, .ods) or another ZIP file."],
    ["Windows-1252 in its first line", Buffer.from("phone,pr\xe9nom\n+60123450031,Ali\n", "latin1"), "The first line must name the columns; it is not UTF-8 text; save the file as CSV in UTF-8."],
  ])("is refused whole, and nothing is kept: %s", async (_what, file, beginning) => {
    const { errors } = await send(file);
    expect(errors?.[0]?.message).toContain(beginning);
    expect(await leads(["60123450031"])).toEqual([]);
  });
});

describe("an import that is being sent", () => {
  const rows = (count: number, first: number) => Array.from({ length: count }, (_, n) => `+6011${20_000_000 + first + n},Lead\n`).join("");
  const open = (headers: Record<string, string> = {}): ClientRequest =>
    httpRequest(`${url}/imports/leads`, { method: "POST", headers: { authorization: authorization(), "content-type": "text/csv", ...headers } });
  const CANCEL = "mutation ($id: ID!) { cancelLeadImport(id: $id) { leadImport { id status rowsRead finishedAt } userErrors { message } } }";

  async function* linesOf(sending: ClientRequest): AsyncGenerator<Body> {
    const [response] = (await once(sending, "response")) as [IncomingMessage];
    expect([response.statusCode, response.headers["content-type"]]).toEqual([200, "application/x-ndjson; charset=utf-8"]);
    for await (const line of createInterface({ input: response })) yield JSON.parse(line) as Body;
  }

  test("tells a sender who asks for lines which import it is, how far it has come, and how it ended", async () => {
    const sending = open({ accept: "application/x-ndjson" });
    sending.write(`phone,name\n${rows(2500, 0)}`);
    const seen: Body[] = [];
    for await (const state of linesOf(sending)) {
      seen.push(state);
      if (state.status === "RUNNING" && state.rowsRead === 2000 && !sending.writableEnded) sending.end("1,x\n");
    }
    expect(seen[0]).toMatchObject({ status: "RUNNING", id: expect.stringMatching(/^LeadImport:/) });
    expect(seen.at(-1)).toEqual({ id: seen[0]?.id, status: "COMPLETED", rowsRead: 2501, rowsCreated: 2500, rowsUpdated: 0, rowsRejected: 1, rejects: `/imports/leads/${seen[0]?.id}/rejects.csv` });
  });

  test("is over at once when it is cancelled, also while its sender is silent; what was imported stays and is counted", async () => {
    const sending = open({ accept: "application/x-ndjson" });
    sending.write(`phone,name\n${rows(2500, 10_000)}`);
    let cancelled: unknown;
    const seen: Body[] = [];
    for await (const state of linesOf(sending)) {
      seen.push(state);
      // Nothing more is sent from here on, and the request is not ended either.
      if (state.rowsRead === 2000 && !cancelled) cancelled = (await server.query(CANCEL, { id: state.id })).data.cancelLeadImport;
    }
    sending.destroy();
    const { id } = seen[0] as Body;
    expect(cancelled).toEqual({ leadImport: { id, status: "CANCELLED", rowsRead: 2000, finishedAt: expect.any(String) }, userErrors: [] });
    expect(seen.at(-1)).toEqual({
      ...{ id, status: "CANCELLED", rowsRead: 2000, rowsCreated: 2000, rowsUpdated: 0, rowsRejected: 0 },
      errors: [{ code: "INVALID_STATE", message: "The import was cancelled. What was imported before stays." }],
    });
    expect(await query(server.database.pool, "SELECT FROM leads WHERE import_id = $1", [id.replace("LeadImport:", "")])).toHaveLength(2000);
  });

  test("answers a sender who asks for nothing with 409 when it is cancelled, and takes the rest of what is sent", async () => {
    const sending = open();
    sending.write(`phone,name\n${rows(2500, 20_000)}`);
    const answered = once(sending, "response");
    const { data } = await server.query("{ leadImports(first: 1) { nodes { id status } } }");
    const running = data.leadImports.nodes[0].status === "RUNNING" ? data.leadImports.nodes[0].id : undefined;
    const id = running ?? (await until(async () => (await server.query("{ leadImports(first: 1) { nodes { id status } } }")).data.leadImports.nodes.find((found: Body) => found.status === "RUNNING")?.id));
    await server.query(CANCEL, { id });
    const [response] = (await answered) as [IncomingMessage];
    expect(response.statusCode).toBe(409);
    response.resume();
    sending.end(rows(20_000, 30_000));
    await once(response, "end");
    expect(await leads(["601130030000"])).toEqual([]);
  });
});

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
  }
}
