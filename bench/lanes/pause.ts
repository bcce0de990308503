// Pauses and resumes a sequence through the API of a running server, and by SQL with none running.

import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { connect } from "../dispatch/postgres.ts";
import { startServer } from "../dispatch/rentak.ts";

export type Switched = { readonly what: string; readonly ms: number; readonly walBytes: number; readonly rewritten: number };

const TIMES = 7;

/** Does each several times, and returns the medians. Flows are taken for rewritten where a row has another version or place than before. */
export async function pauseAndResume(url: string, crowd: string): Promise<Switched[]> {
  const client = await connect(url);
  try {
    await client.query("CREATE TABLE bench_before AS SELECT id, ctid AS place, xmin AS version FROM flows");
    const bySql = await medianOf(client, (isActive) => client.query("UPDATE sequences SET is_active = $1 WHERE name = 'crowd'", [isActive]));
    const byApi = await throughApi(url, client);
    const rewritten = await client.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM flows f FULL JOIN bench_before b USING (id) WHERE (f.ctid, f.xmin) IS DISTINCT FROM (b.place, b.version)",
    );
    await client.query("DROP TABLE bench_before");
    return [
      ...bySql.map((each) => ({ ...each, what: `${each.what} by SQL, ${crowd}` })),
      ...byApi.map((each) => ({ ...each, what: `${each.what} by the API, ${crowd}` })),
    ].map((each) => ({ ...each, rewritten: rewritten.rows[0]?.count ?? NaN }));
  } finally {
    await client.end();
  }
}

type Measured = Omit<Switched, "rewritten">;

/** What the server writes meanwhile, its heartbeat say, is in the log as well. */
async function throughApi(url: string, client: pg.Client): Promise<Measured[]> {
  const secret = randomUUID();
  Object.assign(process.env, { RENTAK_ADMIN_TOKEN: secret });
  const server = await startServer(url);
  try {
    await settled(client);
    const node = await client.query<{ port: string }>("SELECT substring(name FROM '[0-9]+$') AS port FROM nodes");
    const ask = async (query: string): Promise<Record<string, unknown>> => {
      const answer = await fetch(`http://127.0.0.1:${node.rows[0]?.port}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
        body: JSON.stringify({ query }),
      });
      const { data, errors } = (await answer.json()) as { data?: Record<string, unknown>; errors?: unknown };
      if (!data || errors) throw new Error(JSON.stringify(errors));
      return data;
    };
    const { sequences } = (await ask("{ sequences(first: 100) { nodes { id name } } }")) as { sequences: { nodes: { id: string; name: string }[] } };
    const id = sequences.nodes.find(({ name }) => name === "crowd")?.id;
    return await medianOf(client, async (isActive) => {
      const mutation = isActive ? "activateSequence" : "pauseSequence";
      const answer = await ask(`mutation { ${mutation}(id: "${id}") { sequence { status } userErrors { message } } }`);
      const { sequence } = answer[mutation] as { sequence: { status: string } | null };
      if (sequence?.status !== (isActive ? "ACTIVE" : "PAUSED")) throw new Error(JSON.stringify(answer));
    });
  } finally {
    await server.stop();
  }
}

/** A server that has just started opens its devices, which is much of what the log has then. */
async function settled(client: pg.Client): Promise<void> {
  while ((await client.query("SELECT FROM devices WHERE status <> 'ONLINE' LIMIT 1")).rowCount !== 0) await delay(100);
}

async function medianOf(client: pg.Client, change: (isActive: boolean) => Promise<unknown>): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (let time = 0; time < TIMES; time++) {
    for (const isActive of [false, true]) {
      const walFrom = await walBytes(client);
      const from = performance.now();
      await change(isActive);
      const ms = performance.now() - from;
      measured.push({ what: isActive ? "resume" : "pause", ms, walBytes: (await walBytes(client)) - walFrom });
    }
  }
  return ["pause", "resume"].flatMap((what) => measured.filter((each) => each.what === what).toSorted((a, b) => a.ms - b.ms)[TIMES >> 1] ?? []);
}

async function walBytes(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ bytes: number }>("SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS bytes");
  return rows[0]?.bytes ?? NaN;
}
