// Work for a cluster: workspaces of several kinds, many devices, sequences of several steps; loaded by plain SQL while nobody helps.

import type pg from "pg";
import { addDevice, addLeads, addSequence, addWorkspace, type DeviceSpec, query } from "./factories.ts";

/** A limit that no run comes near. */
const UNLIMITED = 1_000_000;

type WorkspaceSpec = {
  readonly name: string;
  readonly devices: number;
  /** So many of the devices may send this often in an hour, and are at that limit soon: it must hold whatever is killed after that. */
  readonly limited: number;
  readonly hourlyLimit: number;
  readonly steps: number;
  /** Of all the flows of the work. */
  readonly share: number;
  readonly minDelaySeconds: number;
};

const common = { minDelaySeconds: 0 };

/** Refused ones are among the things that can get lost. */
const FAILURE_RATE = 0.01;

const WORKSPACES: readonly WorkspaceSpec[] = [
  // More devices than one process may have: it is split.
  { ...common, name: "split", devices: 44, limited: 6, hourlyLimit: 12, steps: 5, share: 0.68 },
  { ...common, name: "small1", devices: 10, limited: 3, hourlyLimit: 5, steps: 3, share: 0.1 },
  { ...common, name: "small2", devices: 10, limited: 3, hourlyLimit: 5, steps: 3, share: 0.1 },
  { ...common, name: "small3", devices: 10, limited: 3, hourlyLimit: 30, steps: 4, share: 0.1 },
  { ...common, name: "paced", devices: 5, limited: 0, hourlyLimit: 0, steps: 2, share: 0.02, minDelaySeconds: 1 },
];

/** Two processes can carry all the devices: one may be dead at any time. One alone cannot carry the largest workspace. */
export const MAX_DEVICES = 40;

export interface Workload {
  /** Adds leads that come to about so many flows. Returns how many it really are. */
  add(flows: number): Promise<number>;
}

/** The workspaces with their devices and sequences, without leads yet. `latencyMs`: of each send. */
export async function prepareWorkload(pool: pg.Pool, latencyMs: number): Promise<Workload> {
  const workspaces = await Promise.all(WORKSPACES.map(async (spec) => ({ spec, id: await addSendingWorkspace(pool, spec, latencyMs) })));
  return {
    async add(flows) {
      const added = workspaces.map(async ({ spec: { name, share, steps }, id }) => {
        const leads = await addLeads(pool, id, Math.max(1, Math.round((flows * share) / steps)), `${name}_0`);
        return leads.length * steps;
      });
      return (await Promise.all(added)).reduce((sum, count) => sum + count, 0);
    },
  };
}

async function addSendingWorkspace(pool: pg.Pool, spec: WorkspaceSpec, latencyMs: number): Promise<string> {
  const { name, devices, limited, hourlyLimit, steps, minDelaySeconds } = spec;
  const workspaceId = await addWorkspace(pool);
  await query(pool, "UPDATE workspaces SET name = $2 WHERE id = $1", [workspaceId, name]);
  for (let device = 0; device < devices; device++) {
    const limits: DeviceSpec = device < limited ? { hourlyLimit, dailyLimit: UNLIMITED } : { hourlyLimit: UNLIMITED, dailyLimit: UNLIMITED };
    await addDevice(pool, workspaceId, { ...limits, latencyMs, failureRate: FAILURE_RATE, name: `${name} ${device}` });
  }
  await addSequence(pool, workspaceId, {
    name,
    delayHours: 0,
    minDelaySeconds,
    steps: Array.from({ length: steps }, (_, step) => ({ trigger: `${name}_${step}`, text: `{Hi|Hello} {{name}}, step ${step}` })),
  });
  return workspaceId;
}
