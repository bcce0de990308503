// Media through GraphQL: given by a file or a URL, kept once, sent with steps and campaigns, and refused with what would be right.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { UNLIMITED } from "../../src/access/request-limit.ts";
import { createTokens } from "../../src/access/tokens.ts";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { createFetchMedia } from "../../src/media/fetch.ts";
import { createMediaHandler } from "../../src/media/http.ts";
import { createSimulator } from "../../src/transports/simulator.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addWorkspace, one, query } from "../support/factories.ts";
import { executable, jpeg, pdf, png, voiceNote } from "../support/files.ts";
import { startTestNode, type TestNode } from "../support/node.ts";
import { entry, sequenceCalls } from "../support/sequences.ts";
import { type Loose, testServer, type TestServer } from "../support/server.ts";

const PICTURE = png();
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

let server: TestServer;
let node: TestNode;
let calls: ReturnType<typeof sequenceCalls>;
let folder: string;
let http: Server;
/** Of the server that is named as one that media may be fetched from; it also shows media. */
let origin: string;
let asked: string[] = [];

const FILES: Readonly<Record<string, Buffer>> = { "/picture.png": PICTURE, "/Harga 2026.pdf": pdf(), "/program.jpg": executable(), "/note.ogg": voiceNote() };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rentak-media-"));
  let media: ReturnType<typeof createMediaHandler> | undefined;
  http = createServer((request, response) => {
    asked.push(request.url ?? "");
    const path = decodeURIComponent(request.url ?? "");
    if (path.startsWith("/media/")) return void media?.(request, response);
    if (path.startsWith("/to/")) return void response.writeHead(302, { location: path.slice("/to/".length) }).end();
    const file = FILES[path];
    response.writeHead(file ? 200 : 404, { "content-type": "text/html" }).end(file);
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const host = `127.0.0.1:${(http.address() as AddressInfo).port}`;
  origin = `http://${host}`;
  server = await testServer({ fetchMedia: createFetchMedia({ privateHosts: [host] }) });
  const { pool } = server.database;
  media = createMediaHandler({ pool, tokens: createTokens({ pool, clock: systemClock, limit: UNLIMITED }) });
  calls = sequenceCalls(server);
  await addDevice(pool, DEFAULT_WORKSPACE_ID, { hourlyLimit: 1_000_000, dailyLimit: 1_000_000 });
  node = await startTestNode({ pool, transport: createSimulator({ clock: systemClock, logFile: join(folder, "log") }) });
});
afterAll(async () => {
  await node.stop();
  await server.stop();
  http.closeAllConnections();
  http.close();
  await rm(folder, { recursive: true });
});

let trigger: string;
beforeEach(() => {
  trigger = `t${crypto.randomUUID().slice(0, 8)}`;
  asked = [];
});

const MEDIA = "id kind contentType fileName sizeBytes path";

const create = async (input: Record<string, unknown>): Promise<Loose> =>
  (await server.query(`mutation ($input: CreateMediaInput!) { createMedia(input: $input) { media { ${MEDIA} } userErrors { code message field } } }`, { input })).data.createMedia;

async function upload(file: Buffer, fileName: string, more: Record<string, unknown> = {}): Promise<Loose> {
  const form = new FormData();
  form.set(
    "operations",
    JSON.stringify({
      query: `mutation ($input: CreateMediaInput!) { createMedia(input: $input) { media { ${MEDIA} } userErrors { code message field } } }`,
      variables: { input: { file: null, ...more } },
    }),
  );
  form.set("map", JSON.stringify({ 0: ["variables.input.file"] }));
  form.set("0", new Blob([new Uint8Array(file)]), fileName);
  const response = await fetch(server.url, { method: "POST", headers: { authorization: `Bearer ${server.secret}` }, body: form });
  return ((await response.json()) as Loose).data.createMedia;
}

const logOf = async (phone: string) =>
  (await readFile(join(folder, "log"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter((line) => line.phone === phone);

let people = 0;
async function addLead(triggers: string[]): Promise<{ id: string; phone: string }> {
  const phone = `+60123${String(400_000 + people++)}`;
  const { data } = await server.query("mutation ($input: [LeadInput!]!) { upsertLeads(input: $input) { leads { id } userErrors { message } } }", { input: [{ phone, name: "Siti", triggers }] });
  expect(data.upsertLeads.userErrors).toEqual([]);
  return { id: data.upsertLeads.leads[0].id, phone: phone.slice(1) };
}

describe("createMedia", () => {
  test("keeps an uploaded file, by what its content shows", async () => {
    const { media, userErrors } = await upload(PICTURE, "anything.pdf");
    expect(userErrors).toEqual([]);
    expect(media).toEqual({ id: expect.stringMatching(/^Media:/), kind: "IMAGE", contentType: "image/png", fileName: null, sizeBytes: PICTURE.length, path: `/media/${media.id}` });
  });

  test("fetches from a URL, and keeps the same content once, however it came", async () => {
    const { media } = await create({ url: `${origin}/picture.png` });
    expect((await upload(PICTURE, "picture.png")).media).toEqual(media);
    const { media: document } = await create({ url: `${origin}/picture.png`, kind: "DOCUMENT", fileName: "Gambar.png" });
    expect(document).toMatchObject({ kind: "DOCUMENT", fileName: "Gambar.png" });
    const { rows } = await server.database.pool.query("SELECT FROM media_contents WHERE sha256 = $1", [Buffer.from(sha256(PICTURE), "hex")]);
    expect(rows).toHaveLength(1);
  });

  test("calls a document as its address does, or as is wished", async () => {
    expect((await create({ url: `${origin}/Harga%202026.pdf` })).media).toMatchObject({ kind: "DOCUMENT", contentType: "application/pdf", fileName: "Harga 2026.pdf" });
    expect((await create({ url: `${origin}/Harga%202026.pdf`, fileName: "../../etc/passwd" })).media).toMatchObject({ fileName: ".. .. etc passwd" });
  });

  test.each([
    ["a program", { url: "/program.jpg" }, ["input", "url"], /application\/x-elf, which cannot be sent/],
    ["what is no image as one", { url: "/Harga%202026.pdf", kind: "IMAGE" }, ["input", "kind"], /An image must be a JPEG or PNG/],
    ["what is not there", { url: "/missing.png" }, ["input", "url"], /status 404/],
    ["a local file", { url: "file:///etc/passwd" }, ["input", "url"], /Only http and https/],
    ["nothing", {}, ["input"], /one of the two/],
  ])("refuses %s, and says what would be right", async (_what, input, field, message) => {
    const url = "url" in input && input.url.startsWith("/") ? { url: `${origin}${input.url}` } : {};
    expect(await create({ ...input, ...url })).toEqual({ media: null, userErrors: [{ code: "INVALID", field, message: expect.stringMatching(message) }] });
  });

  test("refuses a file that is too large", async () => {
    expect((await upload(jpeg(5_000_001), "large.jpg")).userErrors).toEqual([{ code: "INVALID", field: ["input", "file"], message: "An image has at most 5 MB; this file has 5.0 MB. Send a smaller one." }]);
    expect((await upload(jpeg(16_000_001), "large.jpg")).userErrors).toEqual([{ code: "INVALID", field: ["input", "file"], message: "A file has at most 16 MB; give a smaller one." }]);
  });
});

test("a redirect into a private address", async () => {
  const targets = ["http://169.254.169.254/latest/meta-data/", `http://localhost:${new URL(origin).port}/picture.png`, "http://[::1]/picture.png", "http://10.0.0.1/picture.png"];
  for (const target of targets) {
    const { sequence, userErrors } = await calls.create({ steps: [{ ...entry(trigger), media: { url: `${origin}/to/${encodeURIComponent(target)}` } } as never] });
    expect(sequence).toBeNull();
    expect(userErrors).toEqual([{ code: "INVALID", field: ["input", "steps", "0", "media", "url"], message: expect.stringMatching(/^The address leads into a private network, where nothing is fetched from/) }]);
  }
  expect(asked).toHaveLength(targets.length);
  expect(await query(server.database.pool, "SELECT FROM sequence_steps WHERE trigger = $1", [trigger])).toEqual([]);
});

describe("media of a step", () => {
  const given = (url: string, text: string, more: Record<string, unknown> = {}) => ({ ...entry(trigger), text, media: { url: `${origin}${url}` }, ...more });

  test("goes out with its caption, and is seen on the flow as it was sent", async () => {
    const { sequence, userErrors } = await calls.create({ minDelaySeconds: 0, maxDelaySeconds: 0, steps: [given("/picture.png", "Hai {{name}}")] });
    expect(userErrors).toEqual([]);
    await calls.activate(sequence.id);
    const { id, phone } = await addLead([trigger]);
    const flow = await eventually(async () => {
      const { data } = await server.query(`query ($id: ID!) { node(id: $id) { ... on Lead { flows { nodes { status text media { ${MEDIA} } } } } } }`, { id });
      return data.node.flows.nodes.find(({ status }: Loose) => status === "SENT");
    }, "it is sent");
    expect(flow).toMatchObject({ text: "Hai Siti", media: { kind: "IMAGE", contentType: "image/png", sizeBytes: PICTURE.length } });
    expect(await logOf(phone)).toMatchObject([{ text: "Hai Siti", media: { kind: "IMAGE", contentType: "image/png", sha256: sha256(PICTURE), fileName: "" } }]);
  });

  test("is fetched once for all steps that have it, and stays when the list is sent again by its id", async () => {
    const steps = [given("/picture.png", "One", { nextTrigger: `${trigger}b` }), { ...given("/picture.png", ""), trigger: `${trigger}b`, isEntryPoint: false }];
    const { sequence } = await calls.create({ steps });
    expect(asked).toEqual(["/picture.png"]);
    const QUERY = "query ($id: ID!) { sequence(id: $id) { steps { id media { id } } } }";
    const { data } = await server.query(QUERY, { id: sequence.id });
    const [first, second] = data.sequence.steps;
    expect(first.media).toEqual(second.media);
    await calls.update({ id: sequence.id, steps: steps.map((step, index) => ({ ...step, id: [first, second][index].id, media: { mediaId: first.media.id } })) });
    expect((await server.query(QUERY, { id: sequence.id })).data).toEqual(data);
    await calls.updateStep({ id: second.id, text: "Two", media: null });
    expect((await server.query(QUERY, { id: sequence.id })).data.sequence.steps[1].media).toBeNull();
  });

  test("that is sound has no text, and no variants", async () => {
    const spoken = "WhatsApp shows no text with an audio file; leave the text empty, and send it as a message of its own.";
    expect((await calls.create({ steps: [given("/note.ogg", "Hai")] })).userErrors).toEqual([{ code: "INVALID", field: ["input", "steps", "0", "text"], message: expect.stringContaining(spoken) }]);
    const variants = [{ name: "A", share: 50, text: "Hello" }];
    expect((await calls.create({ steps: [given("/note.ogg", "", { variants })] })).userErrors).toMatchObject([{ field: ["input", "steps", "0", "variants"] }]);
    const noted = { ...given("/note.ogg", ""), media: { url: `${origin}/note.ogg`, kind: "VOICE_NOTE" } };
    const { sequence, userErrors } = await calls.create({ greeting: true, minDelaySeconds: 0, maxDelaySeconds: 0, steps: [noted] });
    expect(userErrors).toEqual([]);
    await calls.activate(sequence.id);
    const { phone } = await addLead([trigger]);
    await eventually(async () => (await logOf(phone)).length === 1, "it is sent");
    expect(await logOf(phone)).toMatchObject([{ text: "", media: { kind: "VOICE_NOTE" } }]);
  });

  test("is given by an id or an address, of this workspace", async () => {
    const refusal = async (media: Record<string, unknown>) => (await calls.create({ steps: [{ ...entry(trigger), media } as never] })).userErrors;
    expect(await refusal({})).toMatchObject([{ code: "INVALID", field: ["input", "steps", "0", "media"] }]);
    const missing = [{ code: "NOT_FOUND", field: ["input", "steps", "0", "media", "mediaId"], message: "There is no media with this id; createMedia makes one of a file or a URL." }];
    expect(await refusal({ mediaId: "Media:0198c7e2-5d4f-7cc1-a5a5-0123456789ab" })).toEqual(missing);
    const { media } = await upload(jpeg(), "own.jpg");
    const elsewhere = await addWorkspace(server.database.pool);
    const { data } = await server.query("query ($id: ID!) { node(id: $id) { id } }", { id: media.id }, await server.tokenFor(["READ"], elsewhere));
    expect(data.node).toBeNull();
    const foreign = `INSERT INTO sequences (workspace_id, name) VALUES ($1, 'Other') RETURNING id`;
    const { id } = await one<{ id: string }>(server.database.pool, foreign, [elsewhere]);
    const insert = server.database.pool.query("INSERT INTO sequence_steps (workspace_id, sequence_id, day_number, trigger, message_text, media_id) VALUES ($1, $2, 1, 'x', '', $3)", [elsewhere, id, media.id.slice("Media:".length)]);
    await expect(insert).rejects.toThrow(/foreign key/);
  });
});

test("media of a campaign goes out with its test message, and with all others", async () => {
  const lead = await addLead([]);
  const input = { name: "Promosi", text: "Untuk {{name}}", audience: { search: lead.phone }, minDelaySeconds: 0, maxDelaySeconds: 0, media: { url: `${origin}/Harga%202026.pdf` } };
  const { data } = await server.query(`mutation ($input: CreateCampaignInput!) { createCampaign(input: $input) { campaign { id media { kind fileName } } userErrors { message field } } }`, { input });
  expect(data.createCampaign).toMatchObject({ userErrors: [], campaign: { media: { kind: "DOCUMENT", fileName: "Harga 2026.pdf" } } });
  const { id } = data.createCampaign.campaign;
  const tested = await server.query("mutation ($id: ID!, $leadId: ID!) { testCampaign(id: $id, leadId: $leadId) { userErrors { message } } }", { id, leadId: lead.id });
  expect(tested.data.testCampaign.userErrors).toEqual([]);
  await eventually(async () => (await logOf(lead.phone)).length === 1, "the test message is sent");
  const changed = await server.query(
    "mutation ($input: UpdateCampaignInput!) { updateCampaign(input: $input) { campaign { media { kind } text } userErrors { message field } } }",
    { input: { id, media: { url: `${origin}/picture.png` } } },
  );
  expect(changed.data.updateCampaign).toEqual({ userErrors: [], campaign: { media: { kind: "IMAGE" }, text: "Untuk {{name}}" } });
  await server.query("mutation ($id: ID!) { launchCampaign(id: $id) { userErrors { message } } }", { id });
  await eventually(async () => (await logOf(lead.phone)).length === 2, "the campaign's message is sent");
  expect(await logOf(lead.phone)).toMatchObject([
    { text: "Untuk Siti", media: { kind: "DOCUMENT", fileName: "Harga 2026.pdf" } },
    { text: "Untuk Siti", media: { kind: "IMAGE", sha256: sha256(PICTURE) } },
  ]);
});

describe("GET /media", () => {
  test("shows a file to who may read, as nothing that runs", async () => {
    const { media } = await upload(PICTURE, "picture.png");
    const get = (id: string, secret: string) => fetch(`${origin}/media/${id}`, { headers: { authorization: `Bearer ${secret}` } });
    const response = await get(media.id, server.secret);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(PICTURE);
    expect(Object.fromEntries(response.headers)).toMatchObject({ "content-type": "image/png", "content-security-policy": "default-src 'none'; sandbox", "content-disposition": expect.stringMatching(/^attachment/) });
    expect((await get(media.id, "rtk_nobody")).status).toBe(401);
    const elsewhere = await server.tokenFor(["READ"], await addWorkspace(server.database.pool));
    for (const [id, secret] of [[media.id, elsewhere], ["Media:0198c7e2-5d4f-7cc1-a5a5-0123456789ab", server.secret], ["x", server.secret]] as const) expect((await get(id, secret)).status).toBe(404);
  });
});
