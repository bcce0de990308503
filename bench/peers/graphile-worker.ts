// graphile-worker, as its documentation's page on performance has it: a local queue, completions in batches, and follow-ups in batches of our
// own, added by its SQL function: the JavaScript one reads every added job back.

import { Logger, makeWorkerUtils, run, type WithPgClient } from "graphile-worker";
import pg from "pg";
import { batched, COUNT, countDevices, COUNTERS, followUpOf, FOLLOW_UP_MS, type Job, jobs, play } from "./peer.ts";

const BATCH = 10_000;
const ADD = `
  SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
    SELECT json_populate_record(NULL::graphile_worker.job_spec, job) FROM json_array_elements($1::json) AS job))`;

const silent = new Logger(() => (level, message) => void (level === "error" && console.error(message)));
const specsOf = (payloads: readonly Job[], runAt?: Date) => JSON.stringify(payloads.map((payload) => ({ identifier: "send", payload, run_at: runAt })));

await play({
  async prepare(url, flows) {
    const utils = await makeWorkerUtils({ connectionString: url, logger: silent });
    await utils.migrate();
    await utils.withPgClient(async (client) => {
      for (let from = 0; from < flows; from += BATCH) await client.query(ADD, [specsOf(jobs(from, Math.min(flows, from + BATCH)))]);
      await client.query(COUNTERS);
    });
    await utils.release();
  },

  async run(url, done) {
    const pool = new pg.Pool({ connectionString: url, max: 4 });
    const withClient: WithPgClient = async (use) => {
      const client = await pool.connect();
      return await Promise.resolve(use(client)).finally(() => client.release());
    };
    const follow = batched<Job>(
      (sent) =>
        withClient(async (client) => {
          await client.query("BEGIN");
          await client.query({ name: "count", text: COUNT, values: countDevices(sent) });
          await client.query({ name: "add", text: ADD, values: [specsOf(sent.map(followUpOf), new Date(Date.now() + FOLLOW_UP_MS))] });
          await client.query("COMMIT");
        }),
      2000,
      5,
    );
    const runner = await run({
      logger: silent,
      noHandleSignals: true,
      preset: { worker: { connectionString: url, maxPoolSize: 10, concurrentJobs: 2000, localQueue: { size: 10_000 }, completeJobBatchDelay: 5, failJobBatchDelay: 5 } },
      taskList: { send: (payload) => follow(payload as Job) },
    });
    runner.events.on("job:complete", () => done(1));
    runner.events.on("job:error", ({ error }) => {
      console.error(error); // it would be tried again and count twice
      process.exit(1);
    });
  },
});
