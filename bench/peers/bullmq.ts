// BullMQ: follow-ups by addBulk and counters by a pipeline, both for what ends in the same few milliseconds.

import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { batched, countDevices, followUpOf, FOLLOW_UP_MS, type Job, jobs, play } from "./peer.ts";

const QUEUE = "send";
const CONCURRENCY = 200;
const BATCH = 5000;

const optionsOf = (url: string) => ({ connection: { url }, defaultJobOptions: { removeOnComplete: true, removeOnFail: true } });

await play({
  async prepare(url, flows) {
    const queue = new Queue<Job>(QUEUE, optionsOf(url));
    for (let from = 0; from < flows; from += BATCH) await queue.addBulk(jobs(from, Math.min(flows, from + BATCH)).map((data) => ({ name: "send", data })));
    await queue.close();
  },

  async run(url, done) {
    const queue = new Queue<Job>(QUEUE, optionsOf(url));
    const redis = new Redis(url);
    const follow = batched<Job>(
      async (sent) => {
        const counting = redis.pipeline();
        const [devices, counts] = countDevices(sent);
        for (const [index, device] of devices.entries()) counting.hincrby("device_counts", String(device), counts[index] ?? 0);
        await Promise.all([counting.exec(), queue.addBulk(sent.map((data) => ({ name: "send", data: followUpOf(data), opts: { delay: FOLLOW_UP_MS } })))]);
      },
      CONCURRENCY,
      1,
    );
    const worker = new Worker<Job>(QUEUE, (job) => follow(job.data), { connection: { url }, concurrency: CONCURRENCY });
    worker.on("completed", () => done(1));
    worker.on("failed", (_job, error) => {
      console.error(error); // it would be tried again and count twice
      process.exit(1);
    });
  },
});
