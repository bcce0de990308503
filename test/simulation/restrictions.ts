// WhatsApp restricts devices for a while, whichever process holds them: they may write to those who have written to them. And some do write.

import type pg from "pg";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../src/lib/clock.ts";
import { SEND_DEADLINE_MS } from "../../src/transports/transport.ts";
import { pick, type Scenario, type Workspace } from "./scenario.ts";
import type { Wire } from "./wire.ts";
import type { World } from "./world.ts";

export interface Restrictions {
  /** Devices that are restricted now, and those that are or were within the last minute. */
  now(): string[];
  lately(): string[];
  /** Whether the device may not write to that lead, and whoever holds it has known for longer than what was on its way takes. */
  forbids(deviceId: string, leadId: string, at: number): boolean;
  /** Ends all of them. */
  mend(): void;
}

export type RestrictionsOptions = { readonly world: World; readonly pool: pg.Pool; readonly wire: Wire; readonly workspaces: readonly Workspace[]; readonly scenario: Scenario };

type Restriction = { readonly until: number; toldAt: number };

export function createRestrictions({ world, pool, wire, workspaces, scenario }: RestrictionsOptions): Restrictions {
  const random = world.random("restrictions");
  const restricted = new Map<string, Restriction>();
  const endedAt = new Map<string, number>();
  const written = new Set<string>();
  let isOver = false;

  wire.restrictionOf = (deviceId) => {
    const restriction = restricted.get(deviceId);
    if (restriction) restriction.toldAt = Math.min(restriction.toldAt, world.now());
    return restriction && new Date(restriction.until);
  };

  const end = (deviceId: string) => {
    if (!restricted.delete(deviceId)) return;
    endedAt.set(deviceId, world.now());
    wire.tellRestriction(deviceId);
  };
  const restrict = (workspace: Workspace) => {
    const { id } = pick(random, workspace.devices);
    if (isOver || restricted.has(id)) return;
    const ms = pick(random, [MINUTE_MS, 20 * MINUTE_MS, 3 * HOUR_MS]) * (0.5 + random());
    world.trace.add(`FAULT device ${id.slice(-6)} is restricted`);
    restricted.set(id, { until: world.now() + ms, toldAt: Infinity });
    wire.tellRestriction(id);
    world.after(ms, null, `the restriction of ${id.slice(-6)} ends`, () => end(id));
    for (let n = 0; n < 3; n++) world.after(ms * random(), null, "a person writes", () => void write(pick(random, workspace.leads).id, id));
  };
  const write = async (leadId: string, deviceId: string) => {
    written.add(`${leadId} ${deviceId}`); // from when it may be known
    await pool.query("UPDATE leads SET last_replied_at = clock_timestamp(), replied_device_id = $2 WHERE id = $1", [leadId, deviceId]).catch(() => {}); // Postgres may be away
  };

  for (let n = 0; n < scenario.faults.restrictions; n++) world.after(scenario.troubleMs * random() ** 2, null, "a restriction", () => restrict(pick(random, workspaces)));

  return {
    now: () => [...restricted.keys()],
    lately: () => [...endedAt].filter(([, at]) => world.now() - at < MINUTE_MS).map(([id]) => id).concat([...restricted].filter(([, { toldAt }]) => world.now() - toldAt < MINUTE_MS + SECOND_MS).map(([id]) => id)),
    forbids(deviceId, leadId, at) {
      const restriction = restricted.get(deviceId);
      return restriction !== undefined && !written.has(`${leadId} ${deviceId}`) && at > restriction.toldAt + SEND_DEADLINE_MS;
    },
    mend() {
      isOver = true;
      for (const id of restricted.keys()) end(id);
    },
  };
}
