// pg-boss: three lanes that fetch, follow and complete 2,000 jobs at a time. Its own worker loop polls at most every half second.

import pg from "pg";
import { PgBoss } from "pg-boss";
import { COUNT, countDevices, COUNTERS, followUpOf, FOLLOW_UP_MS, type Job, jobs, play } from "./peer.ts";

const QUEUE = "send";
const BATCH = 2000;
const LANES = 3;
const IDLE_MS = 100;

const open = async (url: string, supervise: boolean): Promise<PgBoss> => {
  const boss = new PgBoss({ connectionString: url, max: 6, supervise, schedule: false });
  boss.on("error", console.error);
  await boss.start();
  return boss;
};

await play({
  async prepare(url, flows) {
    const boss = await open(url, false);
    await boss.createQueue(QUEUE);
    for (let from = 0; from < flows; from += BATCH) await boss.insert(QUEUE, jobs(from, Math.min(flows, from + BATCH)).map((data) => ({ data })));
    await boss.stop();
    const client = new pg.Client(url);
    await client.connect();
    await client.query(COUNTERS);
    await client.end();
  },

  async run(url, done) {
    const boss = await open(url, true);
    const pool = new pg.Pool({ connectionString: url, max: LANES });
    const lane = async () => {
      for (;;) {
        const fetched = await boss.fetch<Job>(QUEUE, { batchSize: BATCH });
        if (fetched.length === 0) await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
        const startAfter = new Date(Date.now() + FOLLOW_UP_MS);
        await boss.insert(QUEUE, fetched.map(({ data }) => ({ data: followUpOf(data), startAfter })));
        await pool.query({ name: "count", text: COUNT, values: countDevices(fetched.map(({ data }) => data)) });
        await boss.complete(QUEUE, fetched.map(({ id }) => id));
        done(fetched.length);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  },
});
