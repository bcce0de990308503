// What every answer of the server tells browsers, and the page that GraphiQL is.

import { createHash } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRequestLimit } from "../../src/access/request-limit.ts";
import { type HttpServer, listen } from "../../src/http.ts";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";
import { workspaceDb } from "../../src/db/workspace.ts";
import { saveMedia } from "../../src/media/store.ts";
import { createManualClock } from "../support/clocks.ts";
import { png } from "../support/files.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
/** That has the port, and nothing behind it yet. */
let starting: HttpServer;
let broken: HttpServer;
let media: string;

beforeAll(async () => {
  server = await testServer();
  starting = await listen("127.0.0.1", 0, { onError: () => {} });
  broken = await listen("127.0.0.1", 0, { onError: () => {} });
  broken.open({ requests: { "/": () => Promise.reject(new Error("secret")) }, upgrades: {} });
  media = (await saveMedia(workspaceDb(server.database.pool, DEFAULT_WORKSPACE_ID), { kind: "DOCUMENT", contentType: "image/png", bytes: png(), fileName: "a.png" })).id;
});
afterAll(async () => {
  await Promise.all([starting.close(0), broken.close(0), server.stop()]);
});

const ALWAYS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "x-frame-options": "DENY",
  "cache-control": "no-store",
};
const API = { ...ALWAYS, "content-security-policy": "default-src 'none'; frame-ancestors 'none'" };

type Asked = { readonly url?: string; readonly method?: string; readonly body?: string; readonly headers?: Record<string, string> };

async function headersOf({ url = server.url, method = "GET", body, headers = {} }: Asked) {
  const response = await fetch(url, { method, headers, ...(body !== undefined && { body }) });
  await response.body?.cancel();
  return { status: response.status, headers: Object.fromEntries(response.headers) };
}

const at = (path: string) => new URL(path, server.url).href;
const token = () => ({ authorization: `Bearer ${server.secret}` });
const json = () => ({ ...token(), "content-type": "application/json" });
const query = (text: string) => JSON.stringify({ query: text });

const answers: Readonly<Record<string, readonly [number, () => Asked]>> = {
  "an answer": [200, () => ({ method: "POST", headers: json(), body: query("{ viewer { token { id } } }") })],
  "a stream of events": [200, () => ({ method: "POST", headers: { ...json(), accept: "text/event-stream" }, body: query("subscription { systemStatus { devicesOnline } }") })],
  "an error of the query": [200, () => ({ method: "POST", headers: json(), body: query("{ nothing }") })],
  "a missing token": [401, () => ({ method: "POST" })],
  "a method that is none": [405, () => ({ method: "PUT", headers: json(), body: "{}" })],
  "a preflight": [204, () => ({ method: "OPTIONS" })],
  "what is not there": [404, () => ({ url: at("/nothing") })],
  "an import refused": [400, () => ({ url: at("/imports/leads"), method: "POST", headers: { ...token(), "content-type": "text/csv" }, body: "nonsense\n1\n" })],
  "rejects that are not there": [404, () => ({ url: at("/imports/leads/x/rejects.csv"), headers: token() })],
  "media that is not there": [404, () => ({ url: at("/media/x"), headers: token() })],
  "a server that starts": [503, () => ({ url: `http://127.0.0.1:${starting.port}/graphql` })],
  "a server that fails": [500, () => ({ url: `http://127.0.0.1:${broken.port}/` })],
};

describe("the headers are on", () => {
  test.each(Object.entries(answers))("%s", async (_name, [status, asked]) => {
    const got = await headersOf(asked());
    expect(got.status).toBe(status);
    expect(got.headers).toMatchObject(API);
    expect(Object.keys(got.headers)).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(server|x-powered-by|via|set-cookie|strict-transport-security)$/)]));
    expect(JSON.stringify(got.headers)).not.toMatch(/yoga|node|0\.0\.0-test|\d+\.\d+\.\d+/i);
  });

  test("media, which keeps its own policy", async () => {
    const got = await headersOf({ url: at(`/media/${media}`), headers: token() });
    expect([got.status, got.headers]).toMatchObject([200, { ...ALWAYS, "content-security-policy": "default-src 'none'; sandbox" }]);
  });

  test("a request refused for its pace", async () => {
    const clock = createManualClock(Date.now());
    const limited = await testServer({}, clock, { limit: createRequestLimit(clock, 1) });
    const ask = () => headersOf({ url: limited.url, method: "POST", headers: { authorization: `Bearer ${limited.secret}`, "content-type": "application/json" }, body: query("{ __typename }") });
    expect((await ask()).status).toBe(200);
    expect(await ask()).toMatchObject({ status: 429, headers: API });
    await limited.stop();
  });

  test.each([
    ["what is no HTTP", "nonsense\r\n\r\n", 400],
    ["headers too large", `GET / HTTP/1.1\r\nHost: x\r\n${"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(1000)}\r\n`, 431],
    ["a host that is none", "GET /graphql HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", 400],
    ["an unknown expectation, which is passed over", "GET /nothing HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nConnection: close\r\n\r\n", 404],
    ["a WebSocket where none is", "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 404],
    ["a WebSocket that is none", "GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 400],
  ])("what is answered below HTTP: %s", async (_name, bytes, status) => {
    const told = await raw(bytes);
    expect(told).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    for (const [name, value] of Object.entries(API)) expect(told).toContain(`${name}: ${value}\r\n`);
    expect(told).not.toContain("text/html");
  });
});

function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    let text = "";
    socket.on("data", (part) => (text += part.toString()));
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
    socket.write(bytes);
  });
}

describe("GraphiQL's page", () => {
  test("runs its own scripts and no others, and asks nobody else for anything", async () => {
    const response = await fetch(server.url, { headers: { accept: "text/html" } });
    expect(Object.fromEntries(response.headers)).toMatchObject(ALWAYS);
    const policy = Object.fromEntries((response.headers.get("content-security-policy") ?? "").split("; ").map((part) => [part.split(" ")[0], part.split(" ").slice(1)]));
    const { "script-src": scripts, ...others } = policy;
    const inPage = [...(await response.text()).matchAll(/<script>(.*?)<\/script>/gs)].map(([, script = ""]) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`);
    expect(inPage.length).toBeGreaterThan(0);
    expect(scripts).toEqual(inPage);
    expect(others).toEqual({
      "default-src": ["'none'"],
      "style-src": ["'unsafe-inline'"],
      "img-src": ["data:"],
      "font-src": ["data:"],
      "worker-src": ["blob:"],
      "connect-src": ["'self'"],
      "base-uri": ["'none'"],
      "form-action": ["'none'"],
      "frame-ancestors": ["'none'"],
    });
  });
});
