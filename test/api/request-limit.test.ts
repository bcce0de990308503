// A token that asks too often, whichever way it asks.

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRequestLimit } from "../../src/access/request-limit.ts";
import { createTokens } from "../../src/access/tokens.ts";
import { createMediaHandler } from "../../src/media/http.ts";
import { createManualClock } from "../support/clocks.ts";
import { testServer, type TestServer } from "../support/server.ts";

const clock = createManualClock(Date.now());
let server: TestServer;
let http: Server;
let media: string;

beforeAll(async () => {
  server = await testServer({}, clock, { limit: createRequestLimit(clock, 3) });
  const { pool } = server.database;
  const handle = createMediaHandler({ pool, tokens: createTokens({ pool, clock, limit: createRequestLimit(clock, 3) }) });
  http = createServer((request, response) => void handle(request, response));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  media = `http://127.0.0.1:${(http.address() as AddressInfo).port}/media/x`;
});
afterAll(async () => {
  http.closeAllConnections();
  http.close();
  await server.stop();
});

const LIMITED = { message: "This token has made too many requests; the next one is answered in 20 seconds.", extensions: { code: "RATE_LIMITED", retryAfter: 20 } };
const post = async (secret: string) => fetch(server.url, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${secret}` }, body: JSON.stringify({ query: "{ viewer { token { id } } }" }) });

test("is told when the next request is answered, and answered then; others are not held up", async () => {
  const [secret, another] = [await server.tokenFor(["READ"]), await server.tokenFor(["READ"])];
  const statuses = [];
  for (let n = 0; n < 3; n++) statuses.push((await post(secret)).status);
  expect(statuses).toEqual([200, 200, 200]);
  const refused = await post(secret);
  expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toEqual([429, "20", { errors: [LIMITED] }]);
  expect((await post(another)).status).toBe(200);
  await clock.advance(20_000);
  expect((await post(secret)).status).toBe(200);
});

test("is refused over WebSocket, too, and at the other routes", async () => {
  const secret = await server.tokenFor(["READ"]);
  const client = server.webSocket(secret);
  const ask = () => client.iterate({ query: "{ viewer { token { id } } }" }).next();
  expect(await ask()).toMatchObject({ value: { data: { viewer: { token: {} } } } }); // to connect is a request, and so is what is asked
  await expect(ask()).rejects.toMatchObject([LIMITED]);
  const get = () => fetch(media, { headers: { authorization: `Bearer ${secret}` } });
  for (let n = 0; n < 3; n++) expect((await get()).status).toBe(404);
  const refused = await get();
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "20"]);
});
