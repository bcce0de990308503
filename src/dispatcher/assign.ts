// Gives due flows to devices: each to the device that it is bound to, or to the least loaded one of its workspace.

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
};

export type Assignment = { readonly flowId: string; readonly deviceId: string };


/** What this call has given a device so far. */
type Candidate = { readonly device: AssignableDevice; given: number; freeInMs: number };

/** A candidate's place in the queue. Its load only ever grows, so an outdated entry comes up too early, never too late. */
type Entry = { readonly candidate: Candidate; readonly score: number; readonly freeInMs: number };

/** How many flows a device can begin before the next cycle. */
export function takesOf({ room, freeInMs, gapMs }: AssignableDevice, { horizonMs, sendMs }: Horizon): number {
  if (freeInMs >= horizonMs) return 0;
  return gapMs + sendMs <= 0 ? room : Math.min(room, Math.ceil((horizonMs - freeInMs) / (gapMs + sendMs)));
}

/** Assigns `flows` in their order. A device that is not free before the next cycle takes no more. Flows that are left out wait for that cycle. */
export function assign(
  flows: readonly AssignableFlow[],
  devices: readonly AssignableDevice[],
  { horizonMs, sendMs }: Horizon,
): Assignment[] {
  const candidates = new Map(devices.map((device) => [device.id, { device, given: 0, freeInMs: device.freeInMs } satisfies Candidate]));
  const workspaces = Map.groupBy(candidates.values(), ({ device }) => device.workspaceId);
  const queues = new Map([...workspaces].map(([id, group]) => [id, new TinyQueue(group.map(entryOf), byLoad)]));

  return flows.flatMap((flow) => {
    const bound = boundTo(flow, candidates);
    const candidate = bound ?? leastLoaded(queues.get(flow.workspaceId), horizonMs);
    // A bound device that is merely busy is worth waiting for: the person goes on hearing from the same number.
    if (!candidate || candidate.freeInMs >= horizonMs) return [];
    candidate.given += 1;
    candidate.freeInMs += averageGapMs(flow) + sendMs;
    return [{ flowId: flow.id, deviceId: candidate.device.id }];
  });
}

function boundTo(flow: AssignableFlow, candidates: ReadonlyMap<string, Candidate>): Candidate | undefined {
  const candidate = flow.boundDeviceId === null ? undefined : candidates.get(flow.boundDeviceId);
  if (candidate?.device.workspaceId !== flow.workspaceId || !hasRoom(candidate)) return undefined;
  return keepsItsPeople(candidate.device.messagesHour + candidate.given) ? candidate : undefined;
}

/** The least loaded candidate that can take a flow. It stays in the queue under its present load until that has grown. */
function leastLoaded(queue: TinyQueue<Entry> | undefined, horizonMs: number): Candidate | undefined {
  for (let entry = queue?.peek(); queue && entry; entry = queue.peek()) {
    const current = entryOf(entry.candidate);
    const usable = hasRoom(entry.candidate) && current.freeInMs < horizonMs;
    if (usable && current.score === entry.score && current.freeInMs === entry.freeInMs) return entry.candidate;
    queue.pop();
    // What has no room or no time left gets none back in this call, and is dropped for good.
    if (usable) queue.push(current);
  }
  return undefined;
}

const hasRoom = ({ device, given }: Candidate) => given < device.room;

function entryOf(candidate: Candidate): Entry {
  const { device, given, freeInMs } = candidate;
  const score = loadScore({ messagesHour: device.messagesHour, currentProcessing: device.currentProcessing + given });
  return { candidate, score, freeInMs };
}

function byLoad(a: Entry, b: Entry): number {
  return a.score - b.score || a.freeInMs - b.freeInMs || (a.candidate.device.id < b.candidate.device.id ? -1 : 1);
}
