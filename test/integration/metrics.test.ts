// What a running server tells Prometheus, whom it tells, and what the rules and the dashboard make of it.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FIGURES } from "../../src/metrics/installation.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { addDevice, addLeads, addSequence, one, query } from "../support/factories.ts";
import { freePort, ROOT, type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { DEFAULT_WORKSPACE_ID } from "../../src/db/tables/columns.ts";

const TOKEN = "the-token-of-prometheus";
const NAME = "Canary Person";

let dir: string;
let database: TestDatabase;
let server: ServerProcess;
/** One without a token of its own. */
let open: ServerProcess;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "rentak-metrics-"));
  database = await testDatabase();
  const settings = async (name: string) => ({ PORT: String(await freePort()), DATABASE_URL: database.url, RENTAK_DATA_DIR: join(dir, name), RENTAK_DISPATCH_INTERVAL_MS: "100", RENTAK_ADMIN_TOKEN: "the-admins-token-of-this-test", RENTAK_ENCRYPTION_KEY: "5e".repeat(32) });
  server = await startServerProcess({ ...(await settings("one")), RENTAK_METRICS_TOKEN: TOKEN });
  open = await startServerProcess(await settings("two"));
  const { pool } = database;
  for (let n = 0; n < 20; n++) await addDevice(pool, DEFAULT_WORKSPACE_ID, { name: `Device ${n}`, failureRate: n === 0 ? 1 : 0 });
  await addSequence(pool, DEFAULT_WORKSPACE_ID, { steps: [{ trigger: "metrics_1", entry: true, text: `Hello ${NAME}` }] });
  await addLeads(pool, DEFAULT_WORKSPACE_ID, 100, "metrics_1");
  await eventually(async () => (await one<{ count: number }>(pool, "SELECT count(*)::int AS count FROM flows WHERE settled_at IS NOT NULL")).count === 100, "all has been sent", 60_000);
});
afterAll(async () => {
  await Promise.all([server, open].map((each) => each?.end("SIGTERM")));
  await database?.drop();
  await rm(dir, { recursive: true, force: true });
});

async function get(path: string, headers: Readonly<Record<string, string>> = {}, at = server): Promise<{ status: number; text: string }> {
  const response = await fetch(`${at.url}${path}`, { headers });
  return { status: response.status, text: await response.text() };
}
const scrape = async (at = server) => (await get("/metrics", { authorization: `Bearer ${TOKEN}` }, at)).text;

type Series = { readonly name: string; readonly labels: Readonly<Record<string, string>>; readonly value: number };

function seriesOf(text: string): Series[] {
  return text.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = /^([a-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? [];
    return name === undefined ? [] : [{ name, labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, of]) => [key, of])), value: Number(value) }];
  });
}
const sumOf = (series: readonly Series[], name: string, labels: Readonly<Record<string, string>> = {}) =>
  series.filter((each) => each.name === name && Object.entries(labels).every(([key, value]) => each.labels[key] === value)).reduce((sum, { value }) => sum + value, 0);

describe("/metrics", () => {
  test("tells what was sent and what failed, over all processes", async () => {
    const series = [...seriesOf(await scrape()), ...seriesOf(await scrape(open))];
    const { sent, failed } = await one<{ sent: number; failed: number }>(database.pool, "SELECT count(*) FILTER (WHERE status = 'SENT')::int AS sent, count(*) FILTER (WHERE status = 'FAILED')::int AS failed FROM flows");
    expect(failed).toBeGreaterThan(0);
    expect(sumOf(series, "rentak_flows_settled_total", { outcome: "sent" })).toBe(sent);
    expect(sumOf(series, "rentak_flows_settled_total", { outcome: "failed" })).toBe(failed);
    expect(sumOf(series, "rentak_flows_claimed_total")).toBeGreaterThanOrEqual(100);
    expect(sumOf(series, "rentak_dispatch_cycle_seconds_count")).toBeGreaterThan(10);
    expect(sumOf(series, "rentak_settle_seconds_count")).toBeGreaterThan(0);
    expect(sumOf(series, "rentak_node_devices")).toBe(20);
    expect(sumOf(series, "rentak_lease_held")).toBe(2);
  });

  test("tells of the whole installation, the same in each process", async () => {
    for (const at of [server, open]) {
      const series = seriesOf(await scrape(at));
      expect(sumOf(series, "rentak_devices", { status: "ONLINE" })).toBe(20);
      expect(sumOf(series, "rentak_nodes")).toBe(2);
      expect(sumOf(series, "rentak_pool_connections", { pool: "api", state: "open" })).toBeGreaterThan(0);
      expect(sumOf(series, "rentak_scrape_errors_total")).toBe(0);
      expect(sumOf(series, "nodejs_eventloop_lag_seconds")).toBeGreaterThanOrEqual(0);
    }
  });

  test("has no more series for more devices, and no id, name, number or text in any of them", async () => {
    const before = await scrape();
    const shape = (text: string) => seriesOf(text).filter(({ name }) => !/_http_|_settled_|^nodejs_gc/.test(name)).map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`).toSorted();
    await Promise.all(Array.from({ length: 200 }, (_, n) => addDevice(database.pool, DEFAULT_WORKSPACE_ID, { name: `More ${n}` })));
    await eventually(async () => sumOf(seriesOf(await scrape()), "rentak_devices", { status: "ONLINE" }) === 220, "the new devices are told of", 30_000);
    const after = await scrape();
    expect(shape(after)).toEqual(shape(before));
    const { phone } = await one<{ phone: string }>(database.pool, "SELECT phone FROM leads LIMIT 1");
    for (const text of [before, after, server.output(), open.output()]) for (const canary of [phone, NAME, "Device 1", "the-admins-token", TOKEN]) expect(text).not.toContain(canary);
    expect(after).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}/);
  });

  test("is for who has the token; without one, for programs on this machine that speak for themselves", async () => {
    expect((await get("/metrics")).status).toBe(401);
    expect((await get("/metrics", { authorization: "Bearer the-admins-token-of-this-test" })).status).toBe(401);
    expect((await get("/metrics", { authorization: `Bearer ${TOKEN}x` })).status).toBe(401);
    expect((await get("/metrics", { authorization: `bearer ${TOKEN}` })).status).toBe(200);
    expect((await get("/metrics", {}, open)).status).toBe(200);
    for (const header of ["x-forwarded-for", "forwarded", "via", "x-real-ip"]) expect([header, (await get("/metrics", { [header]: "203.0.113.7" }, open)).status]).toEqual([header, 403]);
    expect((await fetch(`${open.url}/metrics`, { method: "POST" })).status).toBe(405);
  });

  test("finds the oldest due flow by the index, and reads nothing large as a whole", async () => {
    await database.pool.query(
      `INSERT INTO flows (workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id, due_at)
       SELECT l.workspace_id, l.id, uuid_v7(), uuid_v7(), l.sequence_id, st.id, now() + interval '1 day' FROM lanes l JOIN sequence_steps st USING (sequence_id), generate_series(1, 50000)`,
    );
    await database.pool.query("ANALYZE");
    const plan = (await query<{ "QUERY PLAN": string }>(database.pool, `EXPLAIN ${FIGURES}`)).map((row) => row["QUERY PLAN"]).join("\n");
    expect(plan).toMatch(/Index (Only )?Scan using flows_\w+ on flows_/);
    expect(plan).not.toMatch(/(Seq Scan on flows|Sort).*rows=\d{2,}/); // months that have none yet are read as a whole
  });
});

describe("/ready", () => {
  test("is 200 while the process serves and sends, and 503 while Postgres is away; /health only says that it lives", async () => {
    expect(await get("/ready")).toEqual({ status: 200, text: `{"ready":true,"running":true,"postgres":true,"lease":true}\n` });
    await database.pool.query("UPDATE pg_database SET datallowconn = false WHERE datname = current_database()");
    await database.pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
    try {
      await eventually(async () => (await get("/ready")).status === 503, "it is not ready without Postgres", 20_000);
      expect(JSON.parse((await get("/ready")).text)).toMatchObject({ ready: false, running: true, postgres: false });
      expect((await get("/health")).status).toBe(200);
      const told = await scrape();
      expect(sumOf(seriesOf(told), "rentak_scrape_errors_total")).toBeGreaterThanOrEqual(0);
      expect(told).toContain("rentak_flows_settled_total");
    } finally {
      await database.pool.query("UPDATE pg_database SET datallowconn = true WHERE datname = current_database()");
    }
    await eventually(async () => (await get("/ready")).status === 200, "it is ready again", 30_000);
  });
});

describe("the rules and the dashboard for Prometheus and Grafana", () => {
  const read = (path: string) => readFile(join(ROOT, path), "utf8");

  test("are of series that there are, with labels that they have", async () => {
    const series = seriesOf(await scrape());
    const known = new Map(Map.groupBy(series, ({ name }) => name).entries().map(([name, all]) => [name, new Set(all.flatMap(({ labels }) => Object.keys(labels)))]));
    for (const file of ["docs/monitoring/alerts.yml", "docs/monitoring/grafana.json"]) {
      const text = await read(file);
      const named = [...text.matchAll(/\b((?:rentak|nodejs|process)_\w+)(?:\{([^}]*)\})?/g)];
      expect(named.length).toBeGreaterThan(8);
      for (const [, name = "", selector = ""] of named) {
        expect([file, name, known.has(name)]).toEqual([file, name, true]);
        for (const [, label = ""] of selector.matchAll(/(\w+)\s*(?:=~|!=|!~|=)/g)) expect([name, label, known.get(name)?.has(label)]).toEqual([name, label, true]);
      }
    }
    expect(() => JSON.parse("{")).toThrow(SyntaxError);
    expect(JSON.parse(await read("docs/monitoring/grafana.json"))).toMatchObject({ title: "Rentak", panels: expect.any(Array) });
  });

  test("have a section in docs/operations.md each, and its address", async () => {
    const [rules, guide] = [await read("docs/monitoring/alerts.yml"), await read("docs/operations.md")];
    const alerts = [...rules.matchAll(/- alert: (\w+)[^]*?(?=- alert:|$)/g)].map(([text, name]) => ({ name, text }));
    expect(alerts.length).toBeGreaterThanOrEqual(8);
    for (const { name, text } of alerts) {
      for (const field of ["severity:", "summary:", "description:", "expr:"]) expect([name, text.includes(field)]).toEqual([name, true]);
      const [, anchor = ""] = /runbook: docs\/operations\.md#([\w-]+)/.exec(text) ?? [];
      const headings = [...guide.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading.toLowerCase().replace(/[^\w\s-]/g, "").trim().replace(/\s+/g, "-"));
      expect(headings).toContain(anchor);
    }
  });

  test("are explained: docs/monitoring.md names every series of ours", async () => {
    const guide = await read("docs/monitoring.md");
    const own = [...(await scrape()).matchAll(/^# TYPE (rentak_\w+)/gm)].map(([, name]) => name);
    expect(own.length).toBeGreaterThan(20);
    expect(own.filter((name) => !guide.includes(`\`${name}\``))).toEqual([]);
  });
});
