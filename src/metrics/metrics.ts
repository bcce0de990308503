// What this process measures, for Prometheus. Labels are of what there are few of: never a device, a workspace or a person, so that a fleet of 3,000 has no more series than one of three.

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { WorkerStats } from "../devices/fleet-view.ts";
import type { DispatchObserver } from "../dispatcher/observer.ts";
import { type Ending, statusOf } from "../flows/settle.ts";
import type { RequestObserver } from "../http.ts";
import { SECOND_MS } from "../lib/clock.ts";
import type { InstallationFigures } from "./installation.ts";

/** What is looked at when it is scraped. */
export type MetricsSources = {
  readonly version: string;
  readonly pools: Readonly<Record<"api" | "dispatch", { readonly totalCount: number; readonly idleCount: number; readonly waitingCount: number }>>;
  readonly workers: () => readonly WorkerStats[];
  readonly devices: () => number;
  readonly hasLease: () => boolean;
  readonly subscriptions: () => number;
  /** Milliseconds since the event log was last read; 0 while nobody listens. */
  readonly eventLogLagMs: () => number;
  /** Of all processes together; null where Postgres did not tell. */
  readonly installation: () => Promise<InstallationFigures | null>;
};

export interface Metrics {
  readonly dispatch: DispatchObserver;
  readonly requests: RequestObserver;
  /** In the text format of Prometheus. */
  scrape(): Promise<{ readonly contentType: string; readonly text: string }>;
}

const FAST = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(sources: MetricsSources): Metrics {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  collectDefaultMetrics({ register: registry });
  const histogram = (name: string, help: string, ...labelNames: string[]) => new Histogram({ name, help, labelNames, buckets: FAST, registers });
  const counter = (name: string, help: string, ...labelNames: string[]) => new Counter({ name, help, labelNames, registers });

  const cycles = histogram("rentak_dispatch_cycle_seconds", "How long a cycle of the dispatcher took.");
  const claims = histogram("rentak_claim_seconds", "How long it took to read due flows, a statement at a time.");
  const claimed = counter("rentak_flows_claimed_total", "Due flows that were read; one that two processes read counts twice, and is sent once.");
  const settles = histogram("rentak_settle_seconds", "How long it took to write a batch of outcomes down.");
  const settled = counter("rentak_flows_settled_total", "Flows that have ended, by outcome (sent, failed, skipped, cancelled) and by the code of failures and skips.", "outcome", "code");
  const requests = counter("rentak_http_requests_total", "Requests that were answered, by route and status.", "route", "status");
  const requestTimes = histogram("rentak_http_request_seconds", "How long requests took; streams of events apart.", "route");
  addGauges(registers, sources, counter("rentak_scrape_errors_total", "Scrapes in which Postgres did not tell about the installation."));

  return {
    dispatch: {
      cycled: (ms) => cycles.observe(ms / SECOND_MS),
      claimed(ms, flows) {
        claims.observe(ms / SECOND_MS);
        claimed.inc(flows);
      },
      settled(ms, endings) {
        settles.observe(ms / SECOND_MS);
        for (const [labels, count] of countsOf(endings)) settled.inc(labels, count);
      },
    },
    requests({ route, status, ms, isStream }) {
      requests.inc({ route, status });
      if (!isStream) requestTimes.observe({ route }, ms / SECOND_MS);
    },
    scrape: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

type Labels = { readonly outcome: string; readonly code: string };

/** Once for each kind: a batch has thousands. */
function countsOf(endings: readonly Ending[]): Map<Labels, number> {
  const byKey = new Map<string, { readonly labels: Labels; count: number }>();
  for (const ending of endings) {
    const { status, code } = statusOf(ending);
    const known = byKey.get(`${status} ${code}`) ?? { labels: { outcome: status.toLowerCase(), code: code ?? "" }, count: 0 };
    known.count += 1;
    byKey.set(`${status} ${code}`, known);
  }
  return new Map([...byKey.values()].map(({ labels, count }) => [labels, count]));
}

function addGauges(registers: Registry[], sources: MetricsSources, errors: Counter): void {
  const gauge = (name: string, help: string, read: (set: Gauge) => void | Promise<void>, ...labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers, collect() { return read(this); } }); // oxlint-disable-line max-statements-per-line

  gauge("rentak_build_info", "The version that runs; always 1.", (set) => set.set({ version: sources.version }, 1), "version");
  gauge("rentak_lease_held", "1 while this process has its lease, without which it sends nothing.", (set) => set.set(sources.hasLease() ? 1 : 0));
  gauge("rentak_node_devices", "Devices that this process holds.", (set) => set.set(sources.devices()));
  gauge("rentak_subscriptions", "Subscriptions that are open in this process.", (set) => set.set(sources.subscriptions()));
  gauge("rentak_event_log_lag_seconds", "How long ago this process last read the event log; 0 while nobody listens.", (set) => set.set(sources.eventLogLagMs() / SECOND_MS));
  gauge(
    "rentak_pool_connections",
    "Connections to Postgres, by pool (api, dispatch) and state: open, idle, and requests that wait for one.",
    (set) => {
      for (const [pool, { totalCount, idleCount, waitingCount }] of Object.entries(sources.pools)) {
        for (const [state, count] of Object.entries({ open: totalCount, idle: idleCount, waiting: waitingCount })) set.set({ pool, state }, count);
      }
    },
    "pool",
    "state",
  );
  gauge("rentak_workers", "Workers that run in this process, one for each device that sends.", (set) => set.set(sources.workers().length));
  const OF_WORKERS: Readonly<Record<string, readonly [string, (worker: WorkerStats) => number]>> = {
    rentak_worker_queue_depth: ["Messages in the workers' queues", ({ queueDepth }) => queueDepth],
    rentak_worker_send_seconds: ["Average time of a send, each worker's over its last 100", ({ averageSendMs }) => (averageSendMs ?? 0) / SECOND_MS],
    rentak_worker_error_ratio: ["Failed of settled, each worker's over its last 100", ({ errorRate }) => errorRate],
    rentak_worker_utilization_ratio: ["Share of the last minute in which a worker was busy", ({ utilization }) => utilization],
  };
  for (const [name, [help, valueOf]] of Object.entries(OF_WORKERS)) {
    gauge(name, `${help}: median, 95th percentile and maximum over the workers of this process.`, (set) => setQuantiles(set, sources.workers().map(valueOf)), "quantile");
  }
  addInstallationGauges(gauge, sources, errors);
}

function setQuantiles(set: Gauge, values: readonly number[]): void {
  const sorted = values.toSorted((a, b) => a - b);
  for (const quantile of [0.5, 0.95, 1]) set.set({ quantile: String(quantile) }, sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)] ?? 0);
}

type AddGauge = (name: string, help: string, read: (set: Gauge) => void | Promise<void>, ...labelNames: string[]) => Gauge;

/** Every process tells the same of these: use max() over them. */
function addInstallationGauges(gauge: AddGauge, sources: MetricsSources, errors: Counter): void {
  const OF_ALL: Readonly<Record<string, readonly [string, (figures: InstallationFigures) => number]>> = {
    rentak_oldest_due_seconds: ["How long the oldest message is due that could be sent: not paused, and within its window", ({ oldestDueSeconds }) => oldestDueSeconds],
    rentak_nodes: ["Processes that live", ({ nodes }) => nodes],
    rentak_devices_paused: ["Devices that are paused or held back", ({ paused }) => paused],
    rentak_devices_unserved: ["Devices that no process holds", ({ unserved }) => unserved],
    rentak_workspaces_with_held_first_contacts: ["Workspaces whose first contacts are held, because too many devices are restricted", ({ held }) => held],
    rentak_webhook_deliveries_late: ["Webhook messages that are due for more than a minute, counted to 10,000", ({ lateWebhooks }) => lateWebhooks],
    rentak_webhook_endpoints_failing: ["Webhook endpoints that were disabled because they took nothing", ({ failingEndpoints }) => failingEndpoints],
  };
  for (const [name, [help, valueOf]] of Object.entries(OF_ALL)) {
    gauge(name, `${help}, in the whole installation.`, async (set) => {
      const figures = await sources.installation();
      if (figures) set.set(valueOf(figures));
      else set.reset();
    });
  }
  gauge(
    "rentak_devices",
    "Devices, by their status, in the whole installation.",
    async (set) => {
      set.reset();
      const figures = await sources.installation();
      if (!figures) errors.inc();
      for (const [status, count] of Object.entries(figures?.devices ?? {})) set.set({ status }, count);
    },
    "status",
  );
}
