// What the peers have in common. Each runs in a process of its own: node <peer>.ts prepare <address> <flows>, or node <peer>.ts run <address>.

export type Job = { readonly lead: number; readonly device: number; readonly step: number };

export type Peer = {
  /** Puts so many flows in, all of them due. */
  readonly prepare: (url: string, flows: number) => Promise<void>;
  /** Works until the process ends; `done` is told how many more flows are claimed, "sent", marked as done and followed by their next one. */
  readonly run: (url: string, done: (flows: number) => void) => Promise<void>;
};

export const DEVICES = 3000;
export const FOLLOW_UP_MS = 24 * 60 * 60 * 1000;

const REPORT_MS = 50;

export const jobs = (from: number, to: number): Job[] =>
  Array.from({ length: to - from }, (_, index) => ({ lead: from + index, device: (from + index) % DEVICES, step: 1 }));

export const followUpOf = (job: Job): Job => ({ ...job, step: job.step + 1 });

/** How often each device is in `done`, as two arrays for `unnest`. */
export function countDevices(done: readonly Job[]): [devices: number[], counts: number[]] {
  const counts = new Map<number, number>();
  for (const { device } of done) counts.set(device, (counts.get(device) ?? 0) + 1);
  const sorted = [...counts].toSorted(([a], [b]) => a - b); // in order: no two batches wait for each other
  return [sorted.map(([device]) => device), sorted.map(([, count]) => count)];
}

/** The devices' counters. Room is left on each page, so that counting moves no row. */
export const COUNTERS = `
  CREATE TABLE device_counts (device int PRIMARY KEY, sent bigint NOT NULL DEFAULT 0) WITH (fillfactor = 20);
  INSERT INTO device_counts (device) SELECT generate_series(0, ${DEVICES - 1})`;
export const COUNT = "UPDATE device_counts d SET sent = d.sent + c.more FROM unnest($1::int[], $2::int[]) AS c(device, more) WHERE d.device = c.device";

/** Gathers what is asked for at about the same time: `write` gets up to `size` of it. Resolves once it is written. */
export function batched<T>(write: (items: T[]) => Promise<unknown>, size: number, waitMs: number): (item: T) => Promise<void> {
  let batch: { items: T[]; written: Promise<void>; flush: () => void } | undefined;
  const begin = () => {
    const items: T[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    const flush = () => {
      clearTimeout(timer);
      resolve();
    };
    const own = { items, flush, written: promise.then(async () => {
      if (batch === own) batch = undefined;
      await write(items);
    }) };
    return own;
  };
  return (item) => {
    const current = (batch ??= begin());
    current.items.push(item);
    if (current.items.length >= size) {
      batch = undefined;
      current.flush();
    }
    return current.written;
  };
}

export async function play({ prepare, run }: Peer): Promise<void> {
  const [task, url = "", flows] = process.argv.slice(2);
  if (task === "prepare") {
    await prepare(url, Number(flows));
    process.exit(0);
  }
  let count = 0;
  process.once("disconnect", () => process.exit(0)); // the bench is gone
  process.on("message", () => process.exit(0));
  setInterval(() => process.send?.(count), REPORT_MS);
  await run(url, (more) => {
    count += more;
  });
}
