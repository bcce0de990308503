// This process among those that share the database: it sends through the devices that it is given, does what is done once for all while it is the
// elected one, joins anew when it was taken for dead, and leaves in order.

import type { FleetView } from "../devices/fleet-view.ts";
import { OperatorError } from "../lib/errors.ts";
import { createLoop } from "../lib/loop.ts";
import type { Logger } from "../lib/logger.ts";
import { beginCoordinating, type Coordinating, type CoordinatingSettings, isElected } from "./coordinating.ts";
import { BEAT_INTERVAL_MS, joinNodes, LET_GO_AFTER_MS, type Membership, type ProcessIdentity } from "./membership.ts";
import { beginSending, type Sending, type SendingOptions, type SendingSettings } from "./sending.ts";

export type NodeSettings = SendingSettings & CoordinatingSettings & { readonly nodeName: string; readonly maxDevices: number };

export type NodeOptions = Omit<SendingOptions, "nodeId" | "settings" | "onLeaseLost"> & {
  readonly process: ProcessIdentity;
  readonly settings: NodeSettings;
  /** The process cannot go on, and why. */
  readonly onFatal: (error: unknown) => void;
};

export interface Node {
  readonly fleet: FleetView;
  /** How many devices it holds. */
  devices(): number;
  /** Whether it may send: it was heard of by Postgres just now. */
  hasLease(): boolean;
  /** Takes no new work, finishes what is being sent, and leaves. Safe to call twice. */
  stop(): Promise<void>;
}

/** One lease of this process, and what it does under it. */
type Term = {
  readonly membership: Membership;
  readonly sending: Sending;
  orders: number;
  coordinating: Coordinating | null;
  /** When the last beat that was heard was asked for, by the monotonic clock. */
  beatenAt: number;
  /** A cycle of the beat has begun and not come to its end, or failed. */
  isUnheard: boolean;
  /** How often in a row it was looked, and a cycle was unheard. */
  unheardLooks: number;
  isLost: boolean;
};

/** A process that was suspended has not beaten either; but when it goes on, its next beat tells whether others have its devices, and is given so many
 *  seconds for it. */
const PATIENT_LOOKS = 3;

export async function startNode(options: NodeOptions): Promise<Node> {
  const { logger, clock, onFatal } = options;
  let term = await beginTerm(options, () => beats.wake());
  let stopped: Promise<void> | undefined;
  const lost = new Set<Promise<void>>();

  /** Others have its devices by now, or will in a moment. */
  const letGo = (why: string) => {
    if (term.isLost) return;
    term.isLost = true;
    logger.warn(`${why}: it lets go of its devices, and joins anew`);
    const { sending, coordinating } = term;
    // Not awaited: what is on its way has its own deadline, which the next holders wait for.
    const ended = Promise.all([sending.lose(), coordinating?.stop()])
      .then(() => {})
      .finally(() => lost.delete(ended));
    lost.add(ended);
    beats.wake();
  };

  const cycle = async () => {
    const size = term.sending.fleet.size();
    const tick = term.sending.lastTick();
    const askedAt = clock.monotonic();
    term.isUnheard = true;
    const orders = await term.membership.beat({ ...size, lastTickAt: tick?.at ?? null, lastTickMs: tick?.ms ?? null });
    if (stopped) return;
    if (orders === null || term.isLost) {
      letGo("this process was taken for dead");
      term = await beginTerm(options, () => beats.wake());
      logger.info("this process has joined anew");
      return;
    }
    term.beatenAt = askedAt;
    term.unheardLooks = 0;
    if (orders !== term.orders) term.sending.wake();
    term.orders = orders;
    const fenced = await term.membership.fenceDead();
    if (fenced.length > 0) logger.warn({ nodes: fenced }, "nodes whose beat stood still have lost their devices");
    await coordinate(term, options);
    term.isUnheard = false;
  };

  const onError = (error: unknown) => (error instanceof OperatorError ? onFatal(error) : logger.error({ err: error }, "the heartbeat failed"));
  const beats = createLoop({ cycle, intervalMs: BEAT_INTERVAL_MS, clock, onError });
  // Apart from the beats, of which one may hang for half a minute.
  const watch = createLoop({
    cycle: async () => {
      term.unheardLooks = term.isUnheard ? term.unheardLooks + 1 : 0;
      const isSilent = clock.monotonic() - term.beatenAt >= LET_GO_AFTER_MS && term.unheardLooks >= PATIENT_LOOKS;
      if (!stopped && isSilent) letGo("this process has not reached Postgres for too long");
    },
    intervalMs: BEAT_INTERVAL_MS,
    clock,
    onError,
  });
  await beats.runOnce();
  beats.start();
  watch.start();

  const endTerm = () => Promise.all([term.sending.stop(), term.coordinating?.stop()]);
  const stop = async () => {
    // Nothing new is begun from now on; the beat goes on as long as something is on its way.
    await endTerm();
    await Promise.all([beats.stop(), watch.stop()]);
    await endTerm(); // what a beat that ran meanwhile has begun
    await Promise.all(lost);
    await leave(term.membership, logger);
  };
  return {
    fleet: { worker: (deviceId) => term.sending.fleet.worker(deviceId), workers: () => term.sending.fleet.workers() },
    devices: () => term.sending.fleet.size().devices,
    hasLease: () => !term.isLost && clock.monotonic() - term.beatenAt < LET_GO_AFTER_MS,
    stop: () => (stopped ??= stop()),
  };
}

async function beginTerm(options: NodeOptions, onLeaseLost: () => void): Promise<Term> {
  const { pool, clock, settings } = options;
  const askedAt = clock.monotonic();
  const membership = await joinNodes({ pool, clock, name: settings.nodeName, process: options.process, capacity: settings.maxDevices });
  const sending = beginSending({ ...options, nodeId: membership.nodeId, onLeaseLost });
  return { membership, sending, orders: 0, coordinating: null, beatenAt: askedAt, isUnheard: false, unheardLooks: 0, isLost: false };
}

/** Begins or ends what only the elected node does. */
async function coordinate(term: Term, options: NodeOptions): Promise<void> {
  const { sending, membership } = term;
  const elected = await isElected(options.pool, membership.nodeId);
  if (term.isLost) return;
  if (elected && term.coordinating === null) {
    options.logger.info("this process coordinates: it enrols leads and gives out devices");
    term.coordinating = beginCoordinating({ ...options, nodeId: membership.nodeId, settleAll: sending.settleAll, onWork: sending.wake });
  }
  if (!elected && term.coordinating !== null) {
    await term.coordinating.stop();
    term.coordinating = null;
  }
}

async function leave(membership: Membership, logger: Logger): Promise<void> {
  try {
    await membership.leave();
  } catch (error) {
    // The others find out by the beat that stands still.
    logger.warn({ err: error }, "the devices could not be given up in order");
  }
}
