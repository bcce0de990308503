import { fc, test as property } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import type { ClaimedFlow } from "../../../src/dispatcher/claim.ts";
import type { Sent } from "../../../src/dispatcher/send.ts";
import { createWorker, type Worker } from "../../../src/dispatcher/worker.ts";
import { MINUTE_MS } from "../../../src/lib/clock.ts";
import { createManualClock } from "../../support/clocks.ts";

const flow = (id: string): ClaimedFlow => ({ id, workspaceId: "w", boundDeviceId: null, repliedDeviceId: null, minDelaySeconds: 0, maxDelaySeconds: 0, isOfCampaign: false, isRationed: false, revision: 0, template: "", variant: null, media: null, greeter: null, isVaried: false, lead: null });
const flows = (...ids: string[]) => ids.map(flow);
const give = (worker: Worker, given: readonly ClaimedFlow[]) => given.forEach(worker.give);

/** A worker whose sends take `sendMs`, and which waits `gapMs` before each. */
function rig({ sendMs = 0, gapMs = 0, outcome = () => "sent" as Sent }: { sendMs?: number; gapMs?: number; outcome?: (id: string) => Sent } = {}) {
  const clock = createManualClock();
  const begun: string[] = [];
  let inHand = 0;
  let mostInHand = 0;
  let lastEnd = -Infinity;
  let accepts = true;
  const worker: Worker = createWorker({
    clock,
    waitMs: () => (accepts ? Math.max(0, lastEnd + gapMs - clock.monotonic()) : null),
    send: ({ id }) => {
      begun.push(id);
      mostInHand = Math.max(mostInHand, (inHand += 1));
      const end = () => {
        inHand -= 1;
        worker.end(outcome(id));
      };
      if (sendMs > 0) clock.setTimeout(end, sendMs);
      else end();
    },
    onAttempted: (until) => {
      lastEnd = until;
    },
  });
  return { clock, worker, begun, mostInHand: () => mostInHand, refuse: () => (accepts = false) };
}

describe("a worker", () => {
  test("sends what it is given in order, one at a time", async () => {
    const { clock, worker, begun, mostInHand } = rig({ sendMs: 10 });
    give(worker, flows("a", "b"));
    give(worker, flows("c"));
    await clock.advance(5);
    expect(worker.held()).toEqual(["a", "b", "c"]);
    await clock.advance(30);
    expect(begun).toEqual(["a", "b", "c"]);
    expect(mostInHand()).toBe(1);
    expect(worker.held()).toEqual([]);
  });

  test("waits before each as long as it is told to", async () => {
    const { clock, worker, begun } = rig({ gapMs: 1000 });
    give(worker, flows("a", "b"));
    await clock.advance(999);
    expect(begun).toEqual(["a"]);
    await clock.advance(1);
    expect(begun).toEqual(["a", "b"]);
  });

  test("lets go of its queue where its device takes nothing now", async () => {
    const { worker, begun, refuse, clock } = rig();
    refuse();
    give(worker, flows("a", "b"));
    await clock.advance(0);
    expect([begun, worker.held()]).toEqual([[], []]);
  });

  test("drops what it has not begun, also while it waits, and takes new work after that", async () => {
    const { clock, worker, begun } = rig({ gapMs: 1000, sendMs: 10 });
    give(worker, flows("a", "b", "c"));
    await clock.advance(100);
    worker.drop();
    await clock.advance(0);
    expect(worker.held()).toEqual([]);
    expect(worker.idleSince()).not.toBeNull();
    give(worker, flows("d"));
    await clock.advance(2000);
    expect(begun).toEqual(["a", "d"]);
    expect(clock.pending()).toBe(0);
  });

  test("stops after the one in hand", async () => {
    const { clock, worker, begun } = rig({ sendMs: 50 });
    give(worker, flows("a", "b"));
    await clock.advance(10);
    let stopped = false;
    const stopping = worker.stop().then(() => (stopped = true));
    await clock.advance(39);
    expect(stopped).toBe(false);
    await clock.advance(1);
    await stopping;
    expect(begun).toEqual(["a"]);
  });

  test("knows since when it has been idle", async () => {
    const { clock, worker } = rig({ sendMs: 50 });
    expect(worker.idleSince()).toBe(0);
    give(worker, flows("a"));
    await clock.advance(10);
    expect(worker.idleSince()).toBeNull();
    await clock.advance(100);
    expect(worker.idleSince()).toBe(50);
  });

  test("tells of its queue, its sends and how they went, and not of what it did not attempt", async () => {
    const { clock, worker } = rig({ sendMs: 3000, outcome: (id) => (id === "bad" ? "failed" : id === "none" ? "not attempted" : "sent") });
    expect(worker.stats()).toEqual({ processed: 0, averageSendMs: null, queueDepth: 0, currentProcessing: 0, errorRate: 0, utilization: 0, lastActivityAt: null });
    give(worker, flows("good", "bad", "none", "good", "good", "later"));
    await clock.advance(15_500);
    expect(worker.stats()).toMatchObject({ processed: 4, averageSendMs: 3000, queueDepth: 0, currentProcessing: 1, errorRate: 0.25, lastActivityAt: new Date(clock.now() - 500) });
    expect(worker.stats().utilization).toBeCloseTo(12_000 / MINUTE_MS);
    await clock.advance(MINUTE_MS);
    expect(worker.stats()).toMatchObject({ processed: 5, queueDepth: 0, currentProcessing: 0 });
    await clock.advance(MINUTE_MS);
    expect(worker.stats().utilization).toBe(0);
  });

  test("remembers its last hundred sends only", async () => {
    const { clock, worker } = rig({ sendMs: 10, outcome: (id) => (id.startsWith("bad") ? "failed" : "sent") });
    give(worker, flows(...Array.from({ length: 50 }, (_, n) => `bad ${n}`)));
    await clock.advance(500);
    expect(worker.stats().errorRate).toBe(1);
    give(worker, flows(...Array.from({ length: 100 }, (_, n) => `good ${n}`)));
    await clock.advance(1000);
    expect(worker.stats()).toMatchObject({ processed: 150, errorRate: 0, averageSendMs: 10 });
  });
});

type Act = { readonly kind: "give"; readonly count: number } | { readonly kind: "pass"; readonly ms: number } | { readonly kind: "drop" };
const acts = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("give" as const), count: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(300) }),
    fc.record({ kind: fc.constant("drop" as const) }),
  ),
  { maxLength: 20 },
);

property.prop([acts, fc.nat(100), fc.nat(100)], { numRuns: 40 })("whatever it is given and told, each is begun once at most, in order, and none is left lying", async (all: Act[], sendMs, gapMs) => {
  const { clock, worker, begun, mostInHand } = rig({ sendMs, gapMs });
  let given = 0;
  for (const act of all) {
    if (act.kind === "give") give(worker, flows(...Array.from({ length: act.count }, () => String((given += 1)))));
    else if (act.kind === "pass") await clock.advance(act.ms);
    else worker.drop();
  }
  await clock.advance(20_000);
  expect(worker.held()).toEqual([]);
  expect(mostInHand()).toBeLessThanOrEqual(1);
  const order = begun.map(Number);
  expect(order).toEqual([...new Set(order)].toSorted((a, b) => a - b));
  if (!all.some(({ kind }) => kind === "drop")) expect(order).toHaveLength(given);
});
