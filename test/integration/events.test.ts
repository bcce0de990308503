import type pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createBell } from "../../src/events/bell.ts";
import { encodeCursor } from "../../src/events/cursor.ts";
import { createEventLog } from "../../src/events/log.ts";
import { createTailer, type Tailer } from "../../src/events/tailer.ts";
import { CursorError, CursorExpiredError, type EventLog, type LoggedEvent } from "../../src/events/types.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addWorkspace, one, query, silent } from "../support/factories.ts";

let database: TestDatabase;
let pool: pg.Pool;
let workspaceId: string;
let tailer: Tailer;
let log: EventLog;
let generation: string;
const bell = createBell();
const followers: Follower[] = [];

beforeAll(async () => {
  database = await testDatabase();
  pool = database.pool;
  generation = (await one<{ log_generation: string }>(pool, "SELECT log_generation FROM installation")).log_generation;
});
afterAll(() => database.drop());
beforeEach(async () => {
  workspaceId = await addWorkspace(pool);
  tailer = createTailer({ pool, bell, clock: systemClock, logger: silent });
  log = createEventLog({ pool, tailer, generation });
});
afterEach(async () => {
  await Promise.all(followers.splice(0).map((follower) => follower.end()));
  await tailer.stop();
});

type Queryable = Pick<pg.ClientBase, "query">;
type Follower = { readonly seen: LoggedEvent[]; readonly names: () => (string | null)[]; readonly done: Promise<void>; end(): Promise<void> };

/** Writes events, named by their reason. */
const write = (db: Queryable, ...names: string[]) =>
  db.query("INSERT INTO event_batches (workspace_id, type, reasons) VALUES ($1, 'FLOW_SENT', $2)", [workspaceId, names]);
/** In batches of 70, so that pages begin and end within them. */
const writeMany = (db: Queryable, prefix: string, count: number) =>
  db.query(
    "INSERT INTO event_batches (workspace_id, type, reasons) SELECT $1, 'FLOW_SENT', array_agg($2 || n ORDER BY n) FROM generate_series(1, $3::int) AS n GROUP BY (n - 1) / 70 ORDER BY (n - 1) / 70",
    [workspaceId, prefix, count],
  );

/** Follows, and takes each event when `pace` lets it. */
function follow(after?: string, pace: () => Promise<unknown> = async () => {}, of = workspaceId): Follower {
  const controller = new AbortController();
  const seen: LoggedEvent[] = [];
  const done = (async () => {
    for await (const event of log.follow({ workspaceId: of, after, wants: () => true, signal: controller.signal })) {
      seen.push(event);
      await pace();
    }
  })();
  done.catch(() => {});
  const follower = { seen, names: () => seen.map(({ reason }) => reason), done, end: () => (controller.abort(), done) };
  followers.push(follower);
  return follower;
}

/** Follows live from now on: resolves once it hears. */
async function followLive(): Promise<Follower> {
  const follower = follow();
  let n = 0;
  await eventually(async () => (await write(pool, `hello ${(n += 1)}`), bell.ring("events"), follower.seen.length > 0), "it hears");
  await eventually(() => follower.seen.at(-1)?.reason === `hello ${n}` || follower.seen.length === n, "it has heard all so far");
  follower.seen.length = 0;
  return follower;
}

const hears = (follower: Follower, ...names: string[]) => eventually(() => follower.names().length >= names.length && follower.names(), `${names.length} events`);

async function inTransaction(): Promise<{ client: pg.PoolClient; commit(): Promise<void> }> {
  const client = await pool.connect();
  await client.query("BEGIN");
  return { client, commit: () => client.query("COMMIT").then(() => client.release()) };
}

describe("a follower", () => {
  test("hears of what happens from now on, in order, and of nothing before", async () => {
    await write(pool, "before");
    const follower = await followLive();
    await write(pool, "a", "b");
    await write(pool, "c");
    expect(await hears(follower, "a", "b", "c")).toEqual(["a", "b", "c"]);
  });

  test("misses no event of a transaction that began earlier and commits later, live", async () => {
    const follower = await followLive();
    const early = await inTransaction();
    await write(early.client, "early");
    await write(pool, "late");
    expect(await hears(follower, "late")).toEqual(["late"]);
    await early.commit();
    expect(await hears(follower, "late", "early")).toEqual(["late", "early"]);
  });

  test("misses none of it either where it stopped in between, and goes on from its cursor", async () => {
    const follower = await followLive();
    const early = await inTransaction();
    await write(early.client, "early");
    await write(pool, "late");
    await hears(follower, "late");
    await follower.end();
    await early.commit();
    const resumed = follow(follower.seen[0]?.cursor);
    await write(pool, "new");
    expect(await hears(resumed, "early", "new")).toEqual(["early", "new"]);
  });

  test("is not delayed by a transaction that stays open elsewhere", async () => {
    const open = await inTransaction();
    await write(open.client, "open");
    const follower = await followLive();
    await write(pool, "now");
    expect(await hears(follower, "now")).toEqual(["now"]);
    await open.commit();
    expect(await hears(follower, "now", "open")).toEqual(["now", "open"]);
  });

  test("hears nothing of what was rolled back", async () => {
    const follower = await followLive();
    const gone = await inTransaction();
    await write(gone.client, "gone");
    await gone.client.query("ROLLBACK");
    gone.client.release();
    await write(pool, "stays");
    expect(await hears(follower, "stays")).toEqual(["stays"]);
  });

  test("never hears of another workspace, live or from a cursor of it", async () => {
    const follower = await followLive();
    await write(pool, "mine");
    await hears(follower, "mine");
    const others = await addWorkspace(pool);
    const theirs = follow(follower.seen[0]?.cursor, undefined, others);
    await pool.query("INSERT INTO event_batches (workspace_id, type, reasons) VALUES ($1, 'FLOW_SENT', '{theirs}')", [others]);
    expect(await hears(theirs, "theirs")).toEqual(["theirs"]);
    await write(pool, "mine too");
    expect(await hears(follower, "mine", "mine too")).toEqual(["mine", "mine too"]);
  });

  test("gets only what it wants", async () => {
    const controller = new AbortController();
    const wanted = log.follow({ workspaceId, wants: ({ reason }) => reason === "b", signal: controller.signal });
    const next = wanted.next();
    await eventually(async () => (await write(pool, "a", "b"), Promise.race([next.then(() => true), new Promise<false>((r) => setTimeout(r, 20, false))])), "b");
    expect((await next).value).toMatchObject({ reason: "b" });
    controller.abort();
    expect(await wanted.next()).toEqual({ done: true, value: undefined });
  });
});

describe("from any cursor", () => {
  test("of a run of transactions that overlap, all that came later is heard, once, and nothing before (5 seeds)", async () => {
    for (let seed = 0; seed < 5; seed++) {
      const random = seededRandom(`events ${seed}`);
      const follower = await followLive();
      let count = 0;
      const open: Awaited<ReturnType<typeof inTransaction>>[] = [];
      for (let n = 0; n < 25; n++) {
        const choice = random();
        if (choice < 0.35 && open.length < 4) open.push(await inTransaction());
        for (const { client } of open) if (random() < 0.4) await write(client, `${seed} ${(count += 1)}`);
        if (choice > 0.5) await write(pool, `${seed} ${(count += 1)}`, `${seed} ${(count += 1)}`);
        if (choice > 0.7) await open.splice(Math.floor(random() * open.length), 1)[0]?.commit();
        if (random() < 0.3) bell.ring("events");
      }
      for (const { commit } of open) await commit();
      await eventually(() => follower.seen.length === count, `${count} events`);
      expect(new Set(follower.names()).size).toBe(count);
      await follower.end();
      const order = follower.names();
      const resumed = follower.seen.map((event, index) => ({ index, again: follow(event.cursor) }));
      for (const { index, again } of resumed) {
        await eventually(() => again.seen.length >= order.length - index - 1, `what came after ${index}`);
        // Each once. Between transactions that overlap the order may differ: there is none.
        expect(again.names().toSorted()).toEqual(order.slice(index + 1).toSorted());
        await again.end();
      }
    }
  });

  test("of its own, it can go on, and on", async () => {
    const follower = await followLive();
    await write(pool, "start");
    await hears(follower, "start");
    await writeMany(pool, "n", 30);
    let cursor = follower.seen[0]?.cursor;
    const heard: (string | null)[] = [];
    for (let n = 0; n < 10; n++) {
      const some = follow(cursor);
      await eventually(() => some.seen.length >= 3, "three more");
      await some.end();
      heard.push(...some.names().slice(0, 3));
      cursor = some.seen[2]?.cursor;
    }
    expect(heard).toEqual(Array.from({ length: 30 }, (_, n) => `n${n + 1}`));
  });

  test("several pages back, it gets all pages, and what happens meanwhile, in order", async () => {
    const follower = await followLive();
    await write(pool, "start");
    await hears(follower, "start");
    await writeMany(pool, "past", 1234);
    const resumed = follow(follower.seen[0]?.cursor);
    await eventually(() => resumed.seen.length > 0, "the first");
    await writeMany(pool, "new", 10);
    await eventually(() => resumed.seen.length >= 1244, "all");
    expect(resumed.names()).toEqual([...Array.from({ length: 1234 }, (_, n) => `past${n + 1}`), ...Array.from({ length: 10 }, (_, n) => `new${n + 1}`)]);
  });
});

test("a reader that is slow by thousands of events gets all of them, in order, once", async () => {
  let release: () => void = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const fast = await followLive();
  const slow = follow(undefined, () => gate);
  await eventually(async () => (await write(pool, "x"), bell.ring("events"), slow.seen.length > 0), "it hears");
  const from = slow.seen.length;
  fast.seen.length = 0;
  for (let n = 0; n < 9; n++) {
    await writeMany(pool, `${n}-`, 700);
    await eventually(() => fast.names().filter((name) => name !== "x").length === (n + 1) * 700, "the fast one has it");
  }
  release();
  const named = () => slow.names().slice(from).filter((name) => name !== "x");
  await eventually(() => named().length >= 6300, "the slow one has all");
  expect(named()).toEqual(fast.names().filter((name) => name !== "x"));
});

test("more in one transaction than is handed round at once reaches all", async () => {
  const follower = await followLive();
  await writeMany(pool, "n", 6000);
  await eventually(() => follower.seen.length >= 6000, "all");
  expect(follower.names()).toEqual(Array.from({ length: 6000 }, (_, n) => `n${n + 1}`));
});

describe("it ends", () => {
  test("at once when it is aborted, also while it waits", async () => {
    const follower = await followLive();
    await follower.end();
    const before = follower.seen.length;
    await write(pool, "after");
    expect(follower.seen.length).toBe(before);
  });

  test("before it begins where it was aborted already", async () => {
    const signal = AbortSignal.abort();
    expect(await log.follow({ workspaceId, wants: () => true, signal }).next()).toEqual({ done: true, value: undefined });
  });

  test("when its reader leaves, also while a next is awaited", async () => {
    const events = log.follow({ workspaceId, wants: () => true, signal: new AbortController().signal });
    const next = events.next();
    await Promise.resolve();
    await events.return?.();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test("and nothing is read while nobody follows; the next who does begins anew", async () => {
    const follower = await followLive();
    await follower.end();
    await write(pool, "unheard");
    const next = await followLive();
    await write(pool, "heard");
    expect(await hears(next, "heard")).toEqual(["heard"]);
  });
});

describe("refuses", () => {
  const first = (after: string) => log.follow({ workspaceId, after, wants: () => true, signal: new AbortController().signal }).next();
  const snapshot = "100:200:150,160";
  const NOT_ONE = "'after' is not a cursor. Pass the 'cursor' of an event that you have received, unchanged, or leave 'after' out to begin with what happens now.";

  test.each([
    ["what is empty", () => ""],
    ["any text", () => "yesterday"],
    ["an id", () => crypto.randomUUID()],
    ["half a cursor", () => encodeCursor({ generation, seen: snapshot }).slice(0, 20)],
    ["SQL", () => Buffer.from(`${generation}|1:1:'); DROP TABLE events; --`).toString("base64url")],
    ["a snapshot that Postgres would not take", () => encodeCursor({ generation, seen: "200:100:" })],
    ["one with numbers beyond any transaction", () => encodeCursor({ generation, seen: "99999999999999999999:99999999999999999999:" })],
    ["one whose transactions lie outside it", () => encodeCursor({ generation, seen: "100:200:300" })],
    ["one whose transactions are out of order", () => encodeCursor({ generation, seen: "100:200:160,150" })],
    ["one with a bad place", () => Buffer.from(`${generation}|${snapshot}|${snapshot}|7|me`).toString("base64url")],
  ])("%s as a cursor, and says what would be right", async (_what, cursor) => {
    const refused = first(cursor());
    await expect(refused).rejects.toBeInstanceOf(CursorError);
    await expect(refused).rejects.toThrow(NOT_ONE);
  });

  test("a cursor of a log that was replaced", async () => {
    const refused = first(encodeCursor({ generation: crypto.randomUUID(), seen: snapshot }));
    await expect(refused).rejects.toThrow("'after' is a cursor of an event log that this one has replaced, after a restore say. Leave 'after' out, and read anew what you keep a copy of.");
  });
});

describe("events of months that are over can be dropped", () => {
  /** A month of last year, with an event in it; `after` is a cursor from before it. */
  async function oldMonth(): Promise<{ after: string; between: string }> {
    const after = await log.end();
    await pool.query(`
      DO $$ BEGIN
        EXECUTE format('CREATE TABLE IF NOT EXISTS event_batches_2025_03 PARTITION OF event_batches FOR VALUES FROM (%L) TO (%L)', uuid_v7_floor('2025-03-01Z'), uuid_v7_floor('2025-04-01Z'));
      END $$`);
    await pool.query("INSERT INTO event_batches (id, workspace_id, type, reasons) VALUES (uuid_v7_floor('2025-03-15Z'), $1, 'FLOW_SENT', '{old}')", [workspaceId]);
    // Months later nothing of then is open any more; here another test's transaction may be.
    const isOver = "SELECT pg_snapshot_xmin(pg_current_snapshot()) > (SELECT max(xid::text::bigint)::text::xid8 FROM event_batches_2025_03) AS over";
    await eventually(async () => (await one<{ over: boolean }>(pool, isOver)).over, "all that was open then has ended");
    const between = await log.end();
    await write(pool, "new");
    return { after, between };
  }
  const dropped = async (before: string) => (await one<{ count: number }>(pool, "SELECT drop_events_before($1) AS count", [before])).count;

  test("a cursor from before them is refused by an error of its own, and later ones go on", async () => {
    const { after, between } = await oldMonth();
    expect(await dropped("2025-03-31T23:59:59Z")).toBe(0);
    const untouched = follow(after);
    await eventually(() => untouched.seen.length === 2, "all is told");
    expect(await dropped("2025-04-01T00:00:00Z")).toBe(1);
    const late = log.follow({ workspaceId, after, wants: () => true, signal: new AbortController().signal }).next();
    await expect(late).rejects.toBeInstanceOf(CursorExpiredError);
    await expect(late).rejects.toThrow("'after' is older than the events that are kept");
    const resumed = follow(between);
    await eventually(() => resumed.names().includes("new"), "what came later is told");
  });

  test("one that is dropped while it is read is told of as well", async () => {
    const { after } = await oldMonth();
    let turns = 0;
    const reading = (async () => {
      for await (const _event of log.follow({ workspaceId, after, wants: () => true, signal: new AbortController().signal })) if (++turns === 1) await dropped("2025-04-01T00:00:00Z");
    })();
    await expect(reading).rejects.toBeInstanceOf(CursorExpiredError);
  });

  test("not before every webhook endpoint has been told of them", async () => {
    const { after, between } = await oldMonth();
    const { id } = await one<{ id: string }>(
      pool,
      "INSERT INTO webhook_endpoints (workspace_id, url, description, event_types, sealed_secret, position, disabled_at, disabled_reason) VALUES ($1, 'https://example.com', '', '{LEAD}', '', $2, now(), 'OPERATOR') RETURNING id",
      [workspaceId, after],
    );
    await expect(dropped("2026-01-01T00:00:00Z")).rejects.toThrow(`the webhook endpoint ${id} has not been told of all events of event_batches_2025_03`);
    await pool.query("UPDATE webhook_endpoints SET position = $2 WHERE id = $1", [id, between]);
    expect(await dropped("2026-01-01T00:00:00Z")).toBe(1);
  });

  test("of this month nothing is dropped, whatever is asked for", async () => {
    await write(pool, "kept");
    await dropped("2100-01-01T00:00:00Z");
    expect(await query(pool, "SELECT FROM events WHERE workspace_id = $1", [workspaceId])).toHaveLength(1);
  });
});
