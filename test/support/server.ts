// The GraphQL server over real HTTP on a database of its own. Nothing is dispatched: what happens to flows is written with SQL.

import { createClient, type Client } from "graphql-ws";
import { WebSocket } from "ws";
import { type RequestLimit, UNLIMITED } from "../../src/access/request-limit.ts";
import type { TokenScope } from "../../src/access/scopes.ts";
import { newSecret } from "../../src/access/secret.ts";
import { createTokens, ensureAdminToken } from "../../src/access/tokens.ts";
import { uncached } from "../../src/cache/cache.ts";
import { createWatch } from "../../src/lib/watch.ts";
import type { FleetView } from "../../src/devices/fleet-view.ts";
import { processIdentity } from "../../src/dispatcher/process-identity.ts";
import { createBell, type Topic } from "../../src/events/bell.ts";
import { createMessageIds } from "../../src/flows/message-id.ts";
import type { Services } from "../../src/graphql/context.ts";
import { createGraphqlServer } from "../../src/graphql/server.ts";
import { listen } from "../../src/http.ts";
import { createImporter } from "../../src/leads/import.ts";
import { createImportHandler } from "../../src/leads/import-http.ts";
import { createRejectsHandler } from "../../src/leads/rejects-http.ts";
import { systemClock, type Clock } from "../../src/lib/clock.ts";
import { createFetchMedia } from "../../src/media/fetch.ts";
import { createMediaHandler } from "../../src/media/http.ts";
import { createLogger } from "../../src/lib/logger.ts";
import { createSealer } from "../../src/lib/sealing.ts";
import { testDatabase, type TestDatabase } from "./database.ts";
import { testOptOutHash } from "./opt-out-hash.ts";

/** What a query answered: each test reads what it asked for. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = any;

export type Answer = {
  readonly status: number;
  readonly data: Loose;
  readonly errors: readonly { message: string; extensions: Record<string, unknown>; path?: unknown }[] | undefined;
};

export type TestServer = {
  readonly url: string;
  readonly database: TestDatabase;
  readonly secret: string;
  /** What the bell was rung for. */
  readonly rung: Topic[];
  readonly log: string[];
  query(query: string, variables?: Record<string, unknown>, secret?: string): Promise<Answer>;
  /** A token with these scopes. */
  tokenFor(scopes: readonly TokenScope[], workspaceId?: string): Promise<string>;
  webSocket(secret?: string): Client;
  readonly dispose: () => Promise<void>;
  stop(): Promise<void>;
};

type ServerOptions = {
  readonly limit?: RequestLimit;
  readonly origins?: readonly string[];
  /** Null: no query is compiled. All are where this is left out. */
  readonly compileAfter?: null;
  /** Another server's, which drops it. */
  readonly database?: TestDatabase;
};

export async function testServer(
  services: Partial<Services> | ((database: TestDatabase) => Promise<Partial<Services>>) = {},
  clock: Clock = systemClock,
  { database: shared, origins, compileAfter, limit }: ServerOptions = {},
): Promise<TestServer> {
  const database = shared ?? (await testDatabase());
  const { pool } = database;
  const secret = newSecret();
  await ensureAdminToken(pool, secret);
  const rung: Topic[] = [];
  const log: string[] = [];
  const bell = createBell();
  const noFleet: FleetView = { worker: () => null, workers: () => [] };
  const noLog = () => {
    throw new Error("this test has no event log");
  };
  const noEvents: Services["events"] = { follow: noLog, end: noLog };
  const given = typeof services === "function" ? await services(database) : services;
  const logger = createLogger("error", { write: (line: string) => void log.push(line) });
  const importer = createImporter({ pool, bell, logger, clock: systemClock, process: processIdentity(), optOutHash: testOptOutHash });
  const tokens = createTokens({ pool, clock, limit: limit ?? UNLIMITED });
  const server = createGraphqlServer({
    pool,
    tokens,
    clock,
    logger,
    compileAfter: compileAfter === null ? undefined : 0,
    services: {
      bell: { ...bell, ring: (topic) => (rung.push(topic), bell.ring(topic)) },
      cache: uncached,
      clock,
      events: noEvents,
      fleet: noFleet,
      importer,
      watch: createWatch(clock),
      fetchMedia: createFetchMedia({ privateHosts: [] }),
      webhooks: { privateHosts: [], generation: "00000000-0000-4000-8000-000000000000" },
      messageIds: createMessageIds(Buffer.alloc(16, 7)),
      sealer: createSealer([Buffer.alloc(32, 7)]),
      optOutHash: testOptOutHash,
      minStepDelayHours: 1,
      version: "0.0.0-test",
      ...given,
    },
  });
  const http = await listen("127.0.0.1", 0, { onError: (error) => log.push(String(error)), ...(origins && { origins }) });
  http.open({
    requests: {
      "/graphql": (request, response) => server.handle(request, response),
      "/imports/leads": createImportHandler({ pool, tokens, importer }),
      "/imports/leads/": createRejectsHandler({ pool, tokens }),
      "/media/": createMediaHandler({ pool, tokens }),
    },
    upgrades: { "/graphql": (request, socket, head) => server.upgrade(request, socket, head) },
  });
  const address = `127.0.0.1:${http.port}/graphql`;
  const url = `http://${address}`;
  const clients: Client[] = [];

  return {
    url,
    database,
    secret,
    rung,
    log,
    async query(query, variables = {}, token = secret) {
      const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
      const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
      const { data, errors } = (await response.json()) as Answer;
      return { status: response.status, data, errors };
    },
    async tokenFor(scopes, workspaceId) {
      const token = newSecret();
      await ensureAdminToken(pool, token);
      await pool.query("UPDATE api_tokens SET scopes = $1, workspace_id = coalesce($2, workspace_id) WHERE prefix = $3", [
        scopes,
        workspaceId ?? null,
        token.slice(0, 11),
      ]);
      return token;
    },
    webSocket(token = secret) {
      const client = createClient({
        url: `ws://${address}`,
        webSocketImpl: WebSocket,
        connectionParams: { Authorization: `Bearer ${token}` },
        retryAttempts: 0,
      });
      clients.push(client);
      return client;
    },
    dispose: () => server.dispose(),
    async stop() {
      for (const client of clients) await client.dispose();
      await Promise.all([server.dispose(), importer.stop(), http.close(0)]);
      if (!shared) await database.drop();
    },
  };
}
