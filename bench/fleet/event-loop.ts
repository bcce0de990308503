// Loaded into the server by --import: writes down how long its event loop was held up and what its heap holds, which nothing outside of the process
// can see. Where the file has been taken away, it counts from then on.

import { existsSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

const RESOLUTION_MS = 10;
const WRITE_MS = 1000;

const file = process.env["BENCH_EVENT_LOOP_FILE"];
if (file === undefined) throw new Error("BENCH_EVENT_LOOP_FILE is not set");

// It measures the time between two ticks of a timer: what is beyond the timer's own interval is lag.
const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
const lagMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);

const write = () => {
  if (!existsSync(file)) histogram.reset();
  writeFileSync(file, JSON.stringify({ p99: lagMs(histogram.percentile(99)), longest: lagMs(histogram.max), heapMb: process.memoryUsage().heapUsed / 1e6 }));
};

histogram.enable();
setInterval(write, WRITE_MS).unref();
