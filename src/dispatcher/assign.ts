// Gives due flows to devices: each to the device that it is bound to, or to the least loaded one of its workspace. A restricted device gets those alone that
// are bound to it, of people who have written to it.

import TinyQueue from "tinyqueue";
import { keepsItsPeople, loadScore } from "../devices/score.ts";
import { averageGapMs, type Pace } from "./pace.ts";

export type AssignableDevice = {
  readonly id: string;
  readonly workspaceId: string;
  readonly messagesHour: number;
  readonly currentProcessing: number;
  /** How many more it may take now. */
  readonly room: number;
  /** When it could attempt its next one, in ms from now. */
  readonly freeInMs: number;
  /** Its average pause between two, in ms, as far as that is known. */
  readonly gapMs: number;
  readonly isRestricted: boolean;
};

export type Horizon = {
  /** Until the next cycle. */
  readonly horizonMs: number;
  /** How long a send takes. */
  readonly sendMs: number;
};

export type AssignableFlow = Pace & {
  readonly id: string;
  readonly workspaceId: string;
  /** The lead's preferred or last device. */
  readonly boundDeviceId: string | null;
  /** The device that the lead has written to last. */
  readonly repliedDeviceId: string | null;
};

export type Assignment<F> = { readonly flow: F; readonly deviceId: string };

/** What this call has given a device so far. */
type Candidate = { readonly device: AssignableDevice; given: number; freeInMs: number };

/** A candidate's place in the queue, by what it was `given` then. Its load only ever grows, so an outdated entry comes up too early, never too late. */
type Entry = { readonly candidate: Candidate; readonly given: number; readonly score: number; readonly freeInMs: number };

/** How many flows a device can begin before the next cycle. */
export function takesOf({ room, freeInMs, gapMs }: AssignableDevice, { horizonMs, sendMs }: Horizon): number {
  if (freeInMs >= horizonMs) return 0;
  return gapMs + sendMs <= 0 ? room : Math.min(room, Math.ceil((horizonMs - freeInMs) / (gapMs + sendMs)));
}

/** Assigns `flows` in their order. A device that is not free before the next cycle takes no more. Flows that are left out wait for that cycle. */
export function assign<F extends AssignableFlow>(flows: readonly F[], devices: readonly AssignableDevice[], { horizonMs, sendMs }: Horizon): Assignment<F>[] {
  const candidates = new Map(devices.map((device) => [device.id, { device, given: 0, freeInMs: device.freeInMs } satisfies Candidate]));
  const workspaces = Map.groupBy(candidates.values(), ({ device }) => device.workspaceId);
  const queues = new Map([...workspaces].map(([id, group]) => [id, new TinyQueue(group.filter(({ device }) => !device.isRestricted).map(entryOf), byLoad)]));

  const assignments: Assignment<F>[] = [];
  for (const flow of flows) {
    const bound = boundTo(flow, candidates);
    const candidate = bound === undefined ? leastLoaded(queues.get(flow.workspaceId), horizonMs) : bound;
    // A bound device that is merely busy is worth waiting for: the person goes on hearing from the same number.
    if (!candidate || candidate.freeInMs >= horizonMs) continue;
    candidate.given += 1;
    candidate.freeInMs += averageGapMs(flow) + sendMs;
    assignments.push({ flow, deviceId: candidate.device.id });
  }
  return assignments;
}

/** Undefined where any other may have it; null where it waits for its own, which can't take it now. */
function boundTo(flow: AssignableFlow, candidates: ReadonlyMap<string, Candidate>): Candidate | null | undefined {
  const candidate = flow.boundDeviceId === null ? undefined : candidates.get(flow.boundDeviceId);
  if (candidate?.device.workspaceId !== flow.workspaceId) return undefined;
  if (candidate.device.isRestricted) return flow.repliedDeviceId === candidate.device.id && hasRoom(candidate) ? candidate : null;
  if (!hasRoom(candidate)) return undefined;
  return keepsItsPeople(candidate.device.messagesHour + candidate.given) ? candidate : undefined;
}

/** The least loaded candidate that can take a flow. It stays in the queue under its present load until that has grown. */
function leastLoaded(queue: TinyQueue<Entry> | undefined, horizonMs: number): Candidate | undefined {
  for (let entry = queue?.peek(); queue && entry; entry = queue.peek()) {
    const { candidate } = entry;
    const usable = hasRoom(candidate) && candidate.freeInMs < horizonMs;
    if (usable && candidate.given === entry.given) return candidate;
    queue.pop();
    // What has no room or no time left gets none back in this call, and is dropped for good.
    if (usable) queue.push(entryOf(candidate));
  }
  return undefined;
}

const hasRoom = ({ device, given }: Candidate) => given < device.room;

function entryOf(candidate: Candidate): Entry {
  const { device, given, freeInMs } = candidate;
  const score = loadScore({ messagesHour: device.messagesHour, currentProcessing: device.currentProcessing + given });
  return { candidate, given, score, freeInMs };
}

function byLoad(a: Entry, b: Entry): number {
  return a.score - b.score || a.freeInMs - b.freeInMs || (a.candidate.device.id < b.candidate.device.id ? -1 : 1);
}
