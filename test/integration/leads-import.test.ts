import { Readable } from "node:stream";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { workspaceDb, type WorkspaceDb } from "../../src/db/workspace.ts";
import { processIdentity } from "../../src/dispatcher/process-identity.ts";
import { createBell, type Bell } from "../../src/events/bell.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Result, UserError } from "../../src/lib/errors.ts";
import { createImporter, type BegunImport, type Importer, type ImportSource } from "../../src/leads/import.ts";
import { cancelImport, failAbandonedImports, importsById, type LeadImport } from "../../src/leads/import-state.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addWorkspace, one, query, silent } from "../support/factories.ts";
import { testOptOutHash } from "../support/opt-out-hash.ts";

let database: TestDatabase;
let db: WorkspaceDb;
let bell: Bell;
let importer: Importer;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  db = workspaceDb(database.pool, await addWorkspace(database.pool));
  bell = createBell();
  importer = createImporter({ pool: database.pool, bell, clock: systemClock, logger: silent, process: processIdentity(), optOutHash: testOptOutHash });
  return () => importer.stop();
});

const value = <T>(result: Result<T>): T => {
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.value;
};
const errorsOf = (result: Result<unknown>): readonly UserError[] => (result.ok ? [] : result.errors);

const begin = (content: string | Buffer | Readable, call: Partial<ImportSource> = {}): Promise<Result<BegunImport>> => {
  const stream = content instanceof Readable ? content : Readable.from([Buffer.from(content)], { objectMode: false });
  return importer.begin({ db, stream, fileName: "test.csv", bytesTotal: null, ...call });
};
const row = async (id: string): Promise<LeadImport> => (await importsById(db, [id]))[0] as LeadImport;
const imported = async (content: string | Buffer, call?: Partial<ImportSource>): Promise<LeadImport> => {
  const { id, done } = value(await begin(content, call));
  await done;
  return row(id);
};
const counts = ({ status, rowsRead, rowsCreated, rowsUpdated, rowsRejected }: LeadImport) => [status, rowsRead, rowsCreated, rowsUpdated, rowsRejected];
const rejects = (id: string) =>
  query<{ line: number; reason: string; raw: string }>(database.pool, "SELECT line, reason, raw FROM lead_import_rejects WHERE import_id = $1 ORDER BY id", [id]);
const leads = () =>
  query<Record<string, unknown>>(database.pool, "SELECT phone, name, niche, trigger, attributes FROM leads WHERE workspace_id = $1 ORDER BY phone", [db.id]);
const countLeads = async () => (await one<{ leads: number }>(database.pool, "SELECT count(*)::int AS leads FROM leads WHERE workspace_id = $1", [db.id])).leads;

/** Rows with numbers of their own, from `first` on. */
const rows = (count: number, first = 0) => Array.from({ length: count }, (_, index) => `+6011${10_000_000 + first + index},Lead ${first + index}\n`).join("");

describe("a file", () => {
  test("becomes leads, with what is no field as attributes", async () => {
    const file = "\uFEFFphone;name;niche;trigger;city\r\n012-345 6701;Ali;fitness;fitness_start;Ipoh\r\n\r\n+60123456702;\"Siti; Aminah\";;;\r\n";
    const result = await imported(file, { fileName: "leads 2026.csv" });
    expect(counts(result)).toEqual(["COMPLETED", 2, 2, 0, 0]);
    expect(result).toMatchObject({ fileName: "leads 2026.csv", bytesRead: Buffer.byteLength(file), finishedAt: expect.any(Date) });
    expect(await leads()).toEqual([
      { phone: "60123456701", name: "Ali", niche: "fitness", trigger: "fitness_start", attributes: { city: "Ipoh" } },
      { phone: "60123456702", name: "Siti; Aminah", niche: null, trigger: null, attributes: {} },
    ]);
    expect(await query(database.pool, "SELECT trigger FROM enrollment_queue WHERE workspace_id = $1", [db.id])).toEqual([{ trigger: "fitness_start" }]);
  });

  test("merges its duplicates, near and far apart, and counts the later ones as updates", async () => {
    const file = `phone,name,trigger,city\n+60123456701,Ali,a,Ipoh\n0123456701,,"a,b",\n${rows(4500).replaceAll("\n", ",,\n")}+60123456701,Ali B,c,Melaka\n`;
    expect(counts(await imported(file))).toEqual(["COMPLETED", 4503, 4501, 2, 0]);
    expect((await leads()).at(-1)).toEqual({ phone: "60123456701", name: "Ali B", niche: null, trigger: "a,b,c", attributes: { city: "Melaka" } });
    expect(await countLeads()).toBe(4501);
  });

  test("updates who is there: an empty cell leaves, a trigger is added, none is taken away", async () => {
    await imported("phone,name,niche,trigger,city,age\n+60123456701,Ali,yoga,\"a, b\",Ipoh,30\n");
    const second = await imported("phone,name,niche,trigger,city\n+60123456701,,running,\"b,c\",Melaka\n");
    expect(counts(second)).toEqual(["COMPLETED", 1, 0, 1, 0]);
    expect(await leads()).toEqual([{ phone: "60123456701", name: "Ali", niche: "running", trigger: "a,b,c", attributes: { city: "Melaka", age: "30" } }]);
    expect(await query(database.pool, "SELECT trigger FROM enrollment_queue WHERE workspace_id = $1 ORDER BY id", [db.id])).toEqual([{ trigger: "a" }, { trigger: "b" }, { trigger: "c" }]);
    expect(await query(database.pool, "SELECT FROM leads WHERE import_id = $1", [second.id])).toHaveLength(1);
  });

  test("gives its triggers and consent to rows that name none", async () => {
    const consent = { source: "web form", at: new Date("2026-10-01T00:00:00Z") };
    await imported("phone,trigger,consent_source,consent_at\n+60123456701,own,in store,2026-09-01\n+60123456702,,,\n", { triggers: ["given"], consent });
    expect(await query(database.pool, "SELECT trigger, consent_source FROM leads WHERE workspace_id = $1 ORDER BY phone", [db.id])).toEqual([
      { trigger: "own", consent_source: "in store" },
      { trigger: "given", consent_source: "web form" },
    ]);
  });

  test("never revives an opt-out", async () => {
    await imported("phone,name\n+60123456701,Ali\n");
    await database.pool.query("UPDATE leads SET opted_out_at = now() WHERE workspace_id = $1", [db.id]);
    const again = "phone,name,trigger,consent_source,consent_at\n+60123456701,Ali B,start,list,2026-10-01\n";
    expect(counts(await imported(again))).toEqual(["COMPLETED", 1, 0, 1, 0]);
    const after = await one(database.pool, "SELECT name, trigger, consent_source, opted_out_at IS NOT NULL AS out FROM leads WHERE workspace_id = $1", [db.id]);
    expect(after).toEqual({ name: "Ali B", trigger: null, consent_source: null, out: true });
    expect(await query(database.pool, "SELECT FROM enrollment_queue WHERE workspace_id = $1", [db.id])).toEqual([]);
  });

  test("keeps every refused row with its line, reason and text", async () => {
    const file = Buffer.concat([
      Buffer.from(`phone,name,trigger\n123,Short\n+60123456701,"Two\r\nlines"\n+60123456702,a,b,c\n`),
      Buffer.from("+60123456703,Jos\xe9\n", "latin1"),
      Buffer.from("+60123456704,nul\0\n"),
      Buffer.from('+60123456705,"Ali,\n+60123456706,"Bob"\n+60123456707,Good,ok\n'),
    ]);
    const result = await imported(file);
    expect(counts(result)).toEqual(["COMPLETED", 7, 2, 0, 5]);
    expect(await rejects(result.id)).toEqual([
      { line: 2, reason: "'123' is too short for a phone number of Malaysia (MY); write it like +60123456789", raw: "123,Short" },
      { line: 5, reason: "The row has 4 cells, the first line 3; put a cell that holds a comma between quotes", raw: "+60123456702,a,b,c" },
      { line: 6, reason: "The cell 'name' is not UTF-8 text; save the file as CSV in UTF-8", raw: "+60123456703,Jos\uFFFD" },
      { line: 7, reason: "The cell 'name' is not UTF-8 text; save the file as CSV in UTF-8", raw: "+60123456704,nul" },
      {
        line: 8,
        reason: "A quote is opened here and not closed before the end of the line; close it, or write it twice where it belongs to the text",
        raw: '+60123456705,"Ali,\n+60123456706,"Bob"',
      },
    ]);
    expect((await leads()).map(({ phone, name }) => [phone, name])).toEqual([
      ["60123456701", "Two\r\nlines"],
      ["60123456707", "Good"],
    ]);
  });

  test("refuses a row that would give its lead too many triggers or attributes, whole", async () => {
    const long = Array.from({ length: 12 }, (_, index) => `word_${index}_`.padEnd(78, "x")).join(",");
    await imported(`phone,name,trigger\n+60123456701,Ali,"${long}"\n`);
    const second = await imported(`phone,name,trigger\n+60123456701,Renamed,${"y".repeat(90)}\n+60123456702,Siti,z\n`);
    expect(counts(second)).toEqual(["COMPLETED", 2, 1, 0, 1]);
    expect(await rejects(second.id)).toMatchObject([{ line: 2, reason: expect.stringContaining("more than 1000 characters of triggers") }]);
    const wide = `phone,${Array.from({ length: 30 }, (_, index) => `a${index}`).join(",")}\n+60123456702,${"x".repeat(900)}${`,${"x".repeat(900)}`.repeat(29)}\n`;
    expect(counts(await imported(wide))).toEqual(["COMPLETED", 1, 0, 0, 1]);
    expect((await leads()).map(({ name }) => name)).toEqual(["Ali", "Siti"]);
  });
});

describe("a wrong header", () => {
  test.each([
    ["", "The first line must name the columns; 'phone' is missing. Right would be: phone,name,niche,trigger"],
    ["name,niche\nAli,yoga\n", "The first line must name the columns; 'phone' is missing. Right would be: phone,name,niche,trigger"],
    ["phone,name,name\n+60123456701,a,b\n", "The first line must name the columns; 'name' is there twice. Right would be: phone,name,niche,trigger"],
    [
      'phone,"name\n+60123456701,a\n',
      "The first line must name the columns, and cannot be read. A quote is opened here and not closed. Close it, or write it twice where it belongs to the text. Right would be: phone,name,niche,trigger",
    ],
  ])("refuses the whole file, and nothing is kept: %j", async (file, message) => {
    expect(errorsOf(await begin(file))).toEqual([{ code: "INVALID", message, field: ["file"] }]);
    expect(await query(database.pool, "SELECT FROM lead_imports WHERE workspace_id = $1", [db.id])).toEqual([]);
    expect(await countLeads()).toBe(0);
  });

  test("is also a file without any line", async () => {
    expect(errorsOf(await begin(Buffer.alloc(200_000, "x")))).toMatchObject([{ code: "INVALID", field: ["file"] }]);
  });
});

describe("an import that cannot be finished", () => {
  test("because a quote is never closed keeps what came before, truly counted", async () => {
    const result = await imported(`phone,name\n${rows(2500)}+60123456701,"Ali\n${rows(5000, 5000)}`);
    expect(counts(result)).toEqual(["FAILED", 2501, 2500, 0, 1]);
    const [reject] = await rejects(result.id);
    expect(reject).toMatchObject({ line: 2502, reason: "A quote is opened here and not closed. Close it, or write it twice where it belongs to the text." });
    expect(reject?.raw).toBe('+60123456701,"Ali');
    expect(await countLeads()).toBe(2500);
  });

  test("because its source breaks off keeps what came before, truly counted", async () => {
    const stream = new Readable({ read() {} });
    stream.push(`phone,name\n${rows(2500)}+60123`);
    const { id, done } = value(await begin(stream));
    await eventually(async () => (await row(id)).rowsRead >= 2000, "the first batch");
    stream.destroy(new Error("ECONNRESET"));
    await done;
    expect(counts(await row(id))).toEqual(["FAILED", 2500, 2500, 0, 0]);
    expect(await countLeads()).toBe(2500);
  });

  test("because it was cancelled stops before its next batch", async () => {
    const stream = new Readable({ read() {} });
    stream.push(`phone,name\n${rows(2500)}`);
    const { id, done } = value(await begin(stream));
    await eventually(async () => (await row(id)).rowsRead === 2000, "the first batch");
    expect(value(await cancelImport({ db, bell }, id))).toBe(id);
    stream.push(rows(4500, 2500));
    await done;
    expect(counts(await row(id))).toEqual(["CANCELLED", 2000, 2000, 0, 0]);
    expect(await countLeads()).toBe(2000);
    const message = "This import is cancelled already; only one that is running can be cancelled.";
    expect(errorsOf(await cancelImport({ db, bell }, id))).toEqual([{ code: "INVALID_STATE", message, field: ["id"] }]);
    expect(stream.destroyed).toBe(false);
  });

  test("because the server stops is failed, and stop waits for it", async () => {
    const stream = new Readable({ read() {} });
    stream.push(`phone,name\n${rows(100)}+6012345`);
    const { id } = value(await begin(stream));
    await importer.stop();
    expect(counts(await row(id))).toEqual(["FAILED", 100, 100, 0, 0]);
  });

  test("because its process died is given up after a minute of silence, and one that goes on is not", async () => {
    const add = (silentSeconds: number, status = "RUNNING") =>
      one<{ id: string }>(
        database.pool,
        "INSERT INTO lead_imports (workspace_id, file_name, status, progress_at) VALUES ($1, 'x.csv', $3, now() - make_interval(secs => $2)) RETURNING id",
        [db.id, silentSeconds, status],
      );
    const [dead, alive, over] = await Promise.all([add(61), add(30), add(600, "COMPLETED")]);
    expect(await failAbandonedImports(database.pool, processIdentity())).toBe(1);
    expect((await row(dead.id)).status).toBe("FAILED");
    expect((await row(alive.id)).status).toBe("RUNNING");
    expect((await row(over.id)).status).toBe("COMPLETED");
  });

  test("one whose sender pauses says that it is alive", async () => {
    const stream = new Readable({ read() {} });
    stream.push("phone,name\n+6012345");
    const { id, done } = value(await begin(stream));
    await database.pool.query("UPDATE lead_imports SET progress_at = now() - interval '1 hour' WHERE id = $1", [id]);
    importer.start();
    await eventually(async () => (await row(id)).progressAt.getTime() > Date.now() - 60_000, "a sign of life");
    stream.push("6701,Ali\n");
    stream.push(null);
    await done;
    expect(counts(await row(id))).toEqual(["COMPLETED", 1, 1, 0, 0]);
  });
});

test("the source is read no faster than Postgres takes it", async () => {
  let pulled = 0;
  const stream = Readable.from(
    (function* () {
      yield Buffer.from("phone,name\n");
      for (let piece = 0; piece < 30; piece++) {
        pulled++;
        yield Buffer.from(rows(1000, piece * 1000));
      }
    })(),
    { objectMode: false },
  );
  const locker = await database.pool.connect();
  await locker.query("BEGIN; LOCK TABLE leads IN SHARE MODE");
  const { id, done } = value(await begin(stream));
  const waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
  await eventually(async () => (await query(database.pool, waiting)).length > 0, "a batch that waits");
  const before = await eventually(async () => {
    const seen = pulled;
    await new Promise((resolve) => setImmediate(resolve));
    return seen > 3 && seen === pulled && seen;
  }, "the reading to pause");
  expect(before).toBeLessThan(10);
  await locker.query("COMMIT");
  locker.release();
  await done;
  expect(counts(await row(id))).toEqual(["COMPLETED", 30_000, 30_000, 0, 0]);
});

test("a repeat with the same key is the first import, and its file is not read", async () => {
  const first = value(await begin("phone\n+60123456701\n", { idempotencyKey: "k" }));
  await first.done;
  expect(value(await begin("phone\n+60123456702\n", { idempotencyKey: "k" }))).toMatchObject({ id: first.id, isRepeat: true });
  expect(await countLeads()).toBe(1);
  expect(errorsOf(await begin("phone\n+60123456702\n", { idempotencyKey: "k", fileName: "other.csv" }))).toMatchObject([{ code: "CONFLICT" }]);
});

describe("following an import", () => {
  test("shows it at once, as it goes on, and when it is over, which ends it", async () => {
    const stream = new Readable({ read() {} });
    stream.push(`phone,name\n${rows(10)}`);
    const { id } = value(await begin(stream));
    const seen: unknown[] = [];
    for await (const shown of importer.follow(db, id, new AbortController().signal)) {
      seen.push([shown.status, shown.rowsRead]);
      if (seen.length === 1) {
        stream.push(rows(2500, 100));
        stream.push(null);
      }
    }
    expect(seen[0]).toEqual(["RUNNING", 0]);
    expect(seen.at(-1)).toEqual(["COMPLETED", 2510]);
    const late: unknown[] = [];
    for await (const shown of importer.follow(db, id, new AbortController().signal)) late.push(shown.status);
    expect(late).toEqual(["COMPLETED"]);
  });

  test("ends when the follower goes", async () => {
    const stream = new Readable({ read() {} });
    stream.push("phone\n+6012345");
    const { id } = value(await begin(stream));
    const controller = new AbortController();
    const seen: string[] = [];
    for await (const shown of importer.follow(db, id, controller.signal)) {
      seen.push(shown.status);
      controller.abort();
    }
    expect(seen).toEqual(["RUNNING"]);
  });
});
