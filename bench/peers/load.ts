// The load: autocannon in a process of its own, which sends one request again and again. Told what by a message, it warms the server up, says that it
// begins, and says in the end what it has had.

import autocannon from "autocannon";
import type { Loaded, LoadOrder } from "../api/order.ts";

process.once("disconnect", () => process.exit(0));
process.on("message", (order) => void load(order as LoadOrder));

async function load(order: LoadOrder): Promise<void> {
  await run(order, { amount: order.warmUpRequests });
  process.send?.("begun");
  process.send?.(await run(order, { duration: order.seconds }));
}

async function run({ url, headers, body, answer, connections }: LoadOrder, length: { readonly amount: number } | { readonly duration: number }): Promise<Loaded> {
  const times: number[] = [];
  const startedAt = performance.now();
  let lastAt = startedAt;
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const options = { url, method: "POST", headers: { "content-type": "application/json", ...headers }, body, expectBody: answer, connections, ...length } as const;
    const instance = autocannon(options, (error: unknown, done: autocannon.Result) => (error ? reject(error) : resolve(done)));
    // Its own histogram knows whole milliseconds only.
    instance.on("response", (_client, _status, _bytes, responseTime) => {
      times.push(responseTime);
      lastAt = performance.now();
    });
  });
  const wrong = result.errors + result.non2xx + result.mismatches;
  if (wrong > 0 || times.length === 0) throw new Error(`${wrong} of ${times.length} answers of ${url} were not what was asked for`);
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? NaN;
  return { requests: times.length, seconds: (lastAt - startedAt) / 1000, p50Ms: at(0.5), p99Ms: at(0.99) };
}
