import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CloseCode } from "graphql-ws";
import { WebSocket } from "ws";
import type { Tailer } from "../../src/events/tailer.ts";
import { createBell } from "../../src/events/bell.ts";
import { systemClock, type Clock } from "../../src/lib/clock.ts";
import { enrolLeads } from "../../src/sequences/enrol.ts";
import { startEventLog } from "../support/event-log.ts";
import { testServer, type Loose, type TestServer } from "../support/server.ts";

/** Waits last a two-hundredth of what they would. */
const fastClock: Clock = {
  now: systemClock.now,
  monotonic: () => systemClock.monotonic() * 200,
  setTimeout: (run, delayMs) => systemClock.setTimeout(run, delayMs / 200),
};

const bell = createBell();
let tailer: Tailer;
let server: TestServer;
beforeAll(async () => {
  server = await testServer(async ({ pool }) => {
    const log = await startEventLog(pool, bell);
    tailer = log.tailer;
    return { events: log.events };
  }, fastClock);
  await server.database.pool.query("INSERT INTO sequences (name, is_active) VALUES ('Fitness', true)");
  await server.database.pool.query(
    "INSERT INTO sequence_steps (sequence_id, day_number, trigger, message_text, is_entry_point) SELECT id, 1, 'a', 'Hi', true FROM sequences",
  );
});
afterAll(async () => {
  await server.stop();
  await tailer.stop();
});

let phone = 60123456000;

/** Enrols a new lead: a flow comes into being, and FLOW_ACTIVATED is logged. */
async function activate(): Promise<string> {
  const { pool } = server.database;
  const lead = await pool.query("INSERT INTO leads (phone, name) VALUES ($1, 'Aina') RETURNING id", [String(phone++)]);
  const sequence = await pool.query("SELECT id FROM sequences");
  const client = await pool.connect();
  await enrolLeads(client, sequence.rows[0].id, [lead.rows[0].id]).finally(() => client.release());
  bell.ring("events");
  const flow = await pool.query("SELECT id FROM flows WHERE lead_id = $1", [lead.rows[0].id]);
  return `Flow:${flow.rows[0].id}`;
}

const EVENTS =
  "subscription($after: Cursor, $types: [FlowEventType!]) { flowEvents(after: $after, types: $types) { cursor type at flow { id status lead { name } } } }";

/** Activates flows until this is heard: its subscribers may not listen yet when the first is made. */
async function activatingUntil<T>(heard: Promise<T>): Promise<T> {
  let done = false;
  void heard.finally(() => (done = true));
  while (!done) {
    await activate();
    await Promise.race([heard, new Promise((resolve) => setTimeout(resolve, 50))]);
  }
  return heard;
}

const firstEvent = async (events: AsyncIterator<{ data?: Loose; errors?: Loose } | null>): Promise<Loose> => (await activatingUntil(events.next())).value;

/** The events of a stream of server-sent events, as they come. */
async function* sse(query: string, variables: object, signal?: AbortSignal): AsyncGenerator<Loose> {
  const response = await fetch(server.url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream", authorization: `Bearer ${server.secret}` },
    body: JSON.stringify({ query, variables }),
    ...(signal && { signal }),
  });
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  let text = "";
  for await (const part of (response.body ?? new ReadableStream<BufferSource>()).pipeThrough(new TextDecoderStream())) {
    text += part;
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = /^data: (.+)$/m.exec(block)?.[1];
      if (block.includes("event: next") && data) yield JSON.parse(data);
    }
  }
}

describe.each(["graphql-ws", "server-sent events"])("a subscription over %s", (kind) => {
  const subscribe = (query: string, variables: Record<string, unknown> = {}): AsyncIterableIterator<Loose> =>
    kind === "graphql-ws" ? server.webSocket().iterate({ query, variables }) : sse(query, variables);

  test("gives what happens, with the flow as it is now", async () => {
    const events = subscribe(EVENTS);
    const { data } = await firstEvent(events);
    expect(data.flowEvents).toMatchObject({ type: "FLOW_ACTIVATED", flow: { status: "ACTIVE", lead: { name: "Aina" } } });
    await events.return?.();
  });

  test("goes on from a cursor, with what happened since, and shows objects anew each time", async () => {
    const live = subscribe(EVENTS);
    const { cursor } = (await firstEvent(live)).data.flowEvents;
    await live.return?.();
    const missed = await activate();
    const resumed = subscribe(EVENTS, { after: cursor });
    let heard: Loose;
    do heard = (await resumed.next()).value.data.flowEvents;
    while (heard.flow.id !== missed);
    await server.database.pool.query(
      "UPDATE flows SET status = 'SENT', queued = false, attempted_at = now(), settled_at = now(), sent_at = now() WHERE id = $1",
      [missed.slice(5)],
    );
    await server.database.pool.query(
      "INSERT INTO event_batches (workspace_id, type, flow_ids, sequence_ids) SELECT workspace_id, 'FLOW_SENT', ARRAY[id], ARRAY[sequence_id] FROM flows WHERE id = $1",
      [missed.slice(5)],
    );
    bell.ring("events");
    expect((await resumed.next()).value.data.flowEvents).toMatchObject({ type: "FLOW_SENT", flow: { id: missed, status: "SENT" } });
    await resumed.return?.();
  });

  test("tells of a flow that an operator cancelled", async () => {
    const live = subscribe(EVENTS);
    const { cursor, flow } = (await firstEvent(live)).data.flowEvents;
    await live.return?.();
    await server.query("mutation($id: ID!) { cancelFlow(id: $id) { userErrors { message } } }", { id: flow.id });
    const cancelled = subscribe(EVENTS, { after: cursor, types: ["FLOW_CANCELLED"] });
    expect((await cancelled.next()).value.data.flowEvents).toMatchObject({ type: "FLOW_CANCELLED", flow: { id: flow.id, status: "CANCELLED" } });
    await cancelled.return?.();
  });

  test("refuses a cursor that is none, as the caller's mistake", async () => {
    const { value } = await subscribe(EVENTS, { after: "nonsense" }).next();
    expect(value.errors[0].extensions.code).toBe("BAD_USER_INPUT");
  });

  test("refuses one from before what is kept, by a code of its own", async () => {
    const { pool } = server.database;
    const { data } = await server.query("{ eventCursor }");
    await pool.query("UPDATE installation SET events_dropped_to = pg_current_xact_id()");
    try {
      const { value } = await server.webSocket().iterate<Loose>({ query: EVENTS, variables: { after: data.eventCursor } }).next();
      expect(value.errors[0]).toMatchObject({ message: expect.stringContaining("older than the events that are kept"), extensions: { code: "CURSOR_EXPIRED" } });
    } finally {
      await pool.query("UPDATE installation SET events_dropped_to = NULL");
    }
  });
});

describe("the token of a subscription", () => {
  const closed = (params: unknown) =>
    new Promise<{ code: number; reason: string }>((resolve) => {
      const socket = new WebSocket(server.url.replace("http", "ws"), "graphql-transport-ws");
      socket.on("open", () => socket.send(JSON.stringify({ type: "connection_init", payload: params })));
      socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });

  test("comes in connectionParams; without one the socket is closed and says so", async () => {
    const reason = expect.stringContaining('Send connectionParams {"Authorization": "Bearer <token>"}');
    expect(await closed(undefined)).toEqual({ code: CloseCode.Unauthorized, reason });
    expect(await closed({ authorization: "Bearer nonsense" })).toEqual({ code: CloseCode.Unauthorized, reason });
  });

  test("may be spelt in any case there, and serves queries and mutations too", async () => {
    const events = server.webSocket().iterate<Loose>({ query: "{ viewer { token { name } } }" });
    expect((await events.next()).value?.data.viewer.token.name).toBe("admin");
    const invalid = server.webSocket().iterate({ query: "{ nothing }" });
    await expect(invalid.next()).rejects.toMatchObject([{ extensions: { code: "BAD_USER_INPUT" } }]);
  });

  test("allows so many subscriptions and no more", async () => {
    const client = server.webSocket(await server.tokenFor(["READ"]));
    // Which of them is one too many is the server's to say: it looks at each token anew, and not in the order in which they came.
    const open = Array.from({ length: 101 }, () => client.iterate<Loose>({ query: EVENTS }));
    const pending = open.map((events) => events.next());
    const answers = await activatingUntil(Promise.all(pending));
    const refused = answers.filter(({ value }) => value.errors);
    expect(refused.map(({ value }) => value.errors[0].extensions)).toEqual([{ code: "RATE_LIMITED", retryAfter: 30 }]);
    for (const events of open) await events.return?.();
  });

  test("ends it within 30 seconds of being revoked", async () => {
    const secret = await server.tokenFor(["READ"]);
    const events = server.webSocket(secret).iterate<Loose>({ query: EVENTS });
    await firstEvent(events);
    await server.database.pool.query("UPDATE api_tokens SET revoked_at = now() WHERE hash = $1", [
      createHash("sha256").update(secret).digest(),
    ]);
    const started = performance.now();
    let last: Loose;
    for (let next = await events.next(); !next.done; next = await events.next()) last = next.value;
    expect(last.errors[0].extensions.code).toBe("UNAUTHENTICATED");
    expect(performance.now() - started).toBeLessThan(30_000 / 200 + 1000);
  });
});

test("stopping the server ends what is open: sockets with 1001, streams by their end", async () => {
  const client = server.webSocket();
  const code = new Promise((resolve) => client.on("closed", (event) => resolve((event as { code: number }).code)));
  const socket = client.iterate({ query: EVENTS });
  await firstEvent(socket);
  const stream = sse(EVENTS, {});
  await firstEvent(stream);
  const rest = (async () => {
    for await (const _event of stream);
  })();
  await server.dispose();
  expect(await code).toBe(1001);
  await rest;
});
