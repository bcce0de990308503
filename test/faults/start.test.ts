// Starting and stopping the real server: what an operator meets on the first day.

import { connect, createServer } from "node:net";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort, startServerProcess } from "../support/server-process.ts";

let dir: string;
let settings: Record<string, string>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "rentak-start-"));
  settings = { PORT: String(await freePort()), RENTAK_DATA_DIR: join(dir, "data") };
});

afterAll(() => rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 }));

async function ask(url: string, query: string): Promise<unknown> {
  const token = (await readFile(join(dir, "data/admin-token"), "utf8")).trim();
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
  return response.json();
}

const failureOf = (extra: Record<string, string>) =>
  startServerProcess({ ...settings, ...extra }).then(
    () => "it started",
    (error: Error) => error.message,
  );

describe.sequential("npm start", () => {
  test("reports all mistakes in the settings at once, and starts nothing", async () => {
    const message = await failureOf({ RENTAK_CLAIM_BATCH: "many", REDIS_URL: "localhost:6379", RENTAK_DATA_DIRR: "x" });
    expect(message).toMatch(/RENTAK_CLAIM_BATCH must be a whole number/);
    expect(message).toMatch(/REDIS_URL must be an address/);
    expect(message).toMatch(/RENTAK_DATA_DIRR/);
    await expect(stat(join(dir, "data"))).rejects.toThrow("ENOENT");
  });

  test("says who has the port, before anything else is begun", async () => {
    const other = createServer((socket) => socket.destroy()).listen(Number(settings["PORT"]), "127.0.0.1");
    await once(other, "listening");
    expect(await failureOf({})).toMatch(/Port \d+ on 127\.0\.0\.1 is taken, .*choose another port: PORT=\d+ npm start/);
    await expect(stat(join(dir, "data"))).rejects.toThrow("ENOENT");
    other.close();
    await once(other, "close");
  });

  test("says what is wrong with DATABASE_URL, and what would be right", async () => {
    const message = await failureOf({ DATABASE_URL: `postgres://me:secret@127.0.0.1:${await freePort()}/none` });
    expect(message).toMatch(/The Postgres of DATABASE_URL cannot be used: connect ECONNREFUSED .*postgres:\/\/user:password@host:5432\/database/);
    expect(message).not.toContain("secret");
  });

  test("finds its data and its token again after Ctrl-C", async () => {
    const first = await startServerProcess(settings);
    const token = await readFile(join(dir, "data/admin-token"), "utf8");
    expect(first.output()).toContain(token.trim());
    await ask(first.url, 'mutation { createLead(input: { phone: "+447700900001", name: "Kept" }) { lead { id } } }');
    await first.end("SIGINT");

    const second = await startServerProcess(settings);
    expect(second.output()).not.toContain(token.trim());
    expect(await ask(second.url, '{ lead(phone: "+447700900001") { name } }')).toEqual({ data: { lead: { name: "Kept" } } });
    await second.end("SIGTERM");
  });

  test("starts again after kill -9, and finds what was committed", async () => {
    const killed = await startServerProcess(settings);
    await ask(killed.url, 'mutation { createLead(input: { phone: "+447700900002", name: "Too" }) { lead { id } } }');
    await killed.end("SIGKILL");
    const next = await startServerProcess(settings);
    expect(await ask(next.url, '{ lead(phone: "+447700900002") { name } }')).toEqual({ data: { lead: { name: "Too" } } });
    await next.end("SIGTERM");
  });

  test("outlives what scanners send, and clients that reset", async () => {
    const server = await startServerProcess(settings);
    const port = Number(settings["PORT"]);
    for (const request of ["GET // HTTP/1.1", "GET // HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket", "GET /other HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket"]) {
      for (let time = 0; time < 20; time++) {
        const socket = connect(port, "127.0.0.1");
        await once(socket, "connect");
        socket.on("error", () => {});
        socket.write(`${request}\r\nHost: x\r\n\r\n`, () => socket.resetAndDestroy());
        await once(socket, "close");
      }
    }
    expect((await fetch(`${server.url}//`)).status).toBe(404);
    expect(await ask(server.url, "{ viewer { token { name } } }")).toEqual({ data: { viewer: { token: { name: "admin" } } } });
    await server.end("SIGTERM");
  });

  test("takes the token that RENTAK_ADMIN_TOKEN sets, and the old one no longer", async () => {
    const old = (await readFile(join(dir, "data/admin-token"), "utf8")).trim();
    const server = await startServerProcess({ ...settings, RENTAK_ADMIN_TOKEN: "a-token-of-my-own-choice" });
    expect(await ask(server.url, "{ viewer { token { name } } }")).toEqual({ data: { viewer: { token: { name: "admin" } } } });
    const refused = await fetch(`${server.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${old}` },
      body: '{"query":"{ viewer { workspace { id } } }"}',
    });
    expect(refused.status).toBe(401);
    await server.end("SIGTERM");
  });
});
