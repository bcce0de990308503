// Which web pages may use the API: those of any origin, or of those that RENTAK_API_ORIGINS names. Over real HTTP and WebSocket.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { testServer, type TestServer } from "../support/server.ts";

const [APP, EVIL] = ["https://app.example.com", "https://evil.example"];

let open: TestServer;
let closed: TestServer;
beforeAll(async () => {
  [open, closed] = await Promise.all([testServer(), testServer({}, undefined, { origins: [APP, "http://localhost:5173"] })]);
});
afterAll(() => Promise.all([open.stop(), closed.stop()]));

const ROUTES = ["/graphql", "/imports/leads", "/imports/leads/x/rejects.csv", "/media/x", "/nothing"];

/** By fetch as it is outside of browsers, which sends whatever origin it is told to. */
async function answerTo(server: TestServer, origin: string | null, { path = "/graphql", method = "POST", headers = {} }: { path?: string; method?: string; headers?: Record<string, string> } = {}) {
  const body = method === "POST" ? { body: JSON.stringify({ query: "{ viewer { token { id } } }" }) } : {};
  const response = await fetch(new URL(path, server.url), { method, headers: { "content-type": "application/json", ...(origin !== null && { origin }), ...headers }, ...body });
  const { headers: got } = response;
  return { status: response.status, allowed: got.get("access-control-allow-origin"), vary: got.get("vary"), methods: got.get("access-control-allow-methods"), headers: got.get("access-control-allow-headers"), credentials: got.get("access-control-allow-credentials"), text: await response.text() };
}

const withToken = (server: TestServer) => ({ headers: { authorization: `Bearer ${server.secret}` } });
const preflight = { method: "OPTIONS", headers: { "access-control-request-method": "POST", "access-control-request-headers": "authorization,x-mine" } };

/** Whether a WebSocket with this origin is opened: the status where it is not. */
function opened(server: TestServer, origin?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(server.url.replace("http", "ws"), "graphql-transport-ws", origin === undefined ? {} : { origin });
    socket.on("open", () => (socket.terminate(), resolve(101)));
    socket.on("unexpected-response", (_request, response) => (response.resume(), resolve(response.statusCode ?? 0)));
    socket.on("error", reject);
  });
}

describe("without a list", () => {
  test("pages of any origin may ask, without cookies", async () => {
    expect(await answerTo(open, EVIL, withToken(open))).toMatchObject({ status: 200, allowed: "*", vary: null, credentials: null });
    expect(await answerTo(open, EVIL)).toMatchObject({ status: 401, allowed: "*" });
    for (const path of ROUTES.slice(0, -1)) expect(await answerTo(open, EVIL, { ...preflight, path })).toMatchObject({ status: 204, allowed: "*", methods: "GET, POST", headers: "authorization,x-mine", credentials: null });
    expect(await opened(open, EVIL)).toBe(101);
  });
});

describe("with a list", () => {
  test("pages of its origins may ask and read the answers, refusals too, and no cache mixes them up", async () => {
    for (const origin of [APP, "http://localhost:5173"]) {
      expect(await answerTo(closed, origin, withToken(closed))).toMatchObject({ status: 200, allowed: origin, vary: "Origin", credentials: null });
      expect(await answerTo(closed, origin)).toMatchObject({ status: 401, allowed: origin });
      for (const path of ROUTES.slice(0, -1)) expect(await answerTo(closed, origin, { ...preflight, path })).toMatchObject({ status: 204, allowed: origin, headers: "authorization,x-mine" });
    }
  });

  test.each([EVIL, "null", "https://app.example.com.evil.example", "https://evilapp.example.com", "http://app.example.com", "https://app.example.com:8443", "HTTPS://APP.EXAMPLE.COM"])("pages of %s may neither ask nor read", async (origin) => {
    for (const path of ROUTES) expect(await answerTo(closed, origin, { path })).toMatchObject({ allowed: null, vary: "Origin" });
    expect(await answerTo(closed, origin, { ...withToken(closed) })).toMatchObject({ allowed: null });
    for (const path of ROUTES.slice(0, -1)) {
      expect(await answerTo(closed, origin, { ...preflight, path })).toMatchObject({ status: 403, allowed: null, headers: null, text: `Pages of ${origin} may not use this API. Those of the origins in its setting RENTAK_API_ORIGINS may.\n` });
    }
    expect(await opened(closed, origin)).toBe(403);
  });

  test("programs, which have no origin, are not concerned", async () => {
    expect(await answerTo(closed, null, withToken(closed))).toMatchObject({ status: 200, allowed: null, vary: "Origin" });
    expect(await opened(closed)).toBe(101);
    expect(await opened(closed, APP)).toBe(101);
  });

  test("GraphiQL, whose page is the server's own, goes on", async () => {
    const page = await answerTo(closed, null, { method: "GET", headers: { accept: "text/html" } });
    expect(page).toMatchObject({ status: 200, text: expect.stringContaining("<title>Rentak</title>") });
    // A browser lets a page read what comes from its own origin without being told.
    expect((await answerTo(closed, new URL(closed.url).origin, withToken(closed))).status).toBe(200);
  });
});
