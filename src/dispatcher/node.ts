// This process among those that share the database: it sends through the devices that it is given, does what is done once for all while it is the
// elected one, joins anew when it was taken for dead, and leaves in order.

import type { FleetView } from "../devices/fleet-view.ts";
import { OperatorError } from "../lib/errors.ts";
import { createLoop } from "../lib/loop.ts";
import type { Logger } from "../lib/logger.ts";
import { beginCoordinating, type Coordinating, type CoordinatingSettings, isElected } from "./coordinating.ts";
import { BEAT_INTERVAL_MS, joinNodes, type Membership, type ProcessIdentity } from "./membership.ts";
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
  /** Takes no new work, finishes what is being sent, and leaves. Safe to call twice. */
  stop(): Promise<void>;
}

/** One lease of this process, and what it does under it. */
type Term = { readonly membership: Membership; readonly sending: Sending; orders: number; coordinating: Coordinating | null };

export async function startNode(options: NodeOptions): Promise<Node> {
  const { logger, clock, onFatal } = options;
  let term = await beginTerm(options, () => beats.wake());
  let stopped: Promise<void> | undefined;
  const lost = new Set<Promise<void>>();

  /** It was suspended or cut off, and others have its devices by now, or will. */
  const beginAnew = async () => {
    logger.warn("this process was taken for dead: it lets go of everything and joins anew");
    const { sending, coordinating } = term;
    // Not awaited: what is on its way has its own deadline, which the next holders wait for.
    const ended = Promise.all([sending.lose(), coordinating?.stop()])
      .then(() => {})
      .finally(() => lost.delete(ended));
    lost.add(ended);
    term = await beginTerm(options, () => beats.wake());
  };

  const cycle = async () => {
    const size = term.sending.fleet.size();
    const tick = term.sending.lastTick();
    const orders = await term.membership.beat({ ...size, lastTickAt: tick?.at ?? null, lastTickMs: tick?.ms ?? null });
    if (stopped) return;
    if (orders === null) return beginAnew();
    if (orders !== term.orders) term.sending.wake();
    term.orders = orders;
    const fenced = await term.membership.fenceDead();
    if (fenced.length > 0) logger.warn({ nodes: fenced }, "nodes whose beat stood still have lost their devices");
    await coordinate(term, options);
  };

  const onError = (error: unknown) => (error instanceof OperatorError ? onFatal(error) : logger.error({ err: error }, "the heartbeat failed"));
  const beats = createLoop({ cycle, intervalMs: BEAT_INTERVAL_MS, clock, onError });
  await beats.runOnce();
  beats.start();

  const endTerm = () => Promise.all([term.sending.stop(), term.coordinating?.stop()]);
  const stop = async () => {
    // Nothing new is begun from now on; the beat goes on as long as something is on its way.
    await endTerm();
    await beats.stop();
    await endTerm(); // what a beat that ran meanwhile has begun
    await Promise.all(lost);
    await leave(term.membership, logger);
  };
  return {
    fleet: { worker: (deviceId) => term.sending.fleet.worker(deviceId) },
    stop: () => (stopped ??= stop()),
  };
}

async function beginTerm(options: NodeOptions, onLeaseLost: () => void): Promise<Term> {
  const { pool, clock, settings } = options;
  const membership = await joinNodes({ pool, clock, name: settings.nodeName, process: options.process, capacity: settings.maxDevices });
  const sending = beginSending({ ...options, nodeId: membership.nodeId, onLeaseLost });
  return { membership, sending, orders: 0, coordinating: null };
}

/** Begins or ends what only the elected node does. */
async function coordinate(term: Term, options: NodeOptions): Promise<void> {
  const { sending, membership } = term;
  const elected = await isElected(options.pool, membership.nodeId);
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
