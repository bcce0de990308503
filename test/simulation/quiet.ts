// Time in which nothing happens is passed over: the cycles of loops that would find nothing are left out.

import { HOUR_MS, SECOND_MS } from "../../src/lib/clock.ts";
import type { Troubles } from "./faults.ts";
import type { Nodes } from "./nodes.ts";
import type { Server } from "./pool.ts";
import type { Scenario } from "./scenario.ts";
import type { World } from "./world.ts";

export type QuietOptions = {
  readonly world: World;
  readonly server: Server;
  readonly nodes: Nodes;
  readonly scenario: Scenario;
  readonly troubles: Troubles;
  /** Called where nodes leave lying what waits. */
  readonly onStill: () => Promise<void>;
};

/** The longest time that is passed over at once, where there is work and where there is none. */
const LONGEST_WITH_WORK_MS = HOUR_MS;
const LONGEST_MS = 12 * HOUR_MS;

/** Upkeep, which turns lanes, comes every two to six seconds here. */
const TURN_MS = 6 * SECOND_MS;

/** Passes over time in which nothing happens. Answers whether nothing ever will. */
export function createQuiet({ world, server, nodes, scenario, troubles, onStill }: QuietOptions): () => Promise<boolean> {
  /** Beats for the nodes whose cycles are left out, or they would take one another for dead, and looks ahead. Nothing where somebody has yet to find
   *  out about a fault: then the leases are not those of the nodes that run, or nobody knows that it is elected. */
  const lookAhead = async () => {
    const running = nodes.living().filter(({ process }) => process.state() === "running");
    if (running.length === 0 || troubles.isAnyoneCutOff() || running.some(({ node, isStopping, hasLetGo }) => node === undefined || isStopping || hasLetGo)) return undefined;
    if (!running.some(({ coordinates }) => coordinates)) return undefined;
    return (await server.look<Ahead>(AHEAD, [running.map(({ name }) => name).toSorted()]))[0];
  };

  return async () => {
    const now = world.now();
    const next = world.nextEvent();
    if (next < now + SECOND_MS || server.isBusy() || server.isDown()) return false;
    const cycles = world.nextCycles(scenario.dispatchIntervalMs);
    if (cycles.some((at) => at < now + SECOND_MS)) return false;
    const ahead = await lookAhead();
    if (ahead === undefined) return false;
    if (cycles.length > 0 && ahead.at_work) {
      world.skipTo(Math.min(next, Math.max(...cycles)), scenario.dispatchIntervalMs);
      return false;
    }
    if (ahead.is_turning) {
      // A lane that has closed is turned first, and then looked into: skipped over, what waits in it would seem to be left lying.
      world.skipTo(Math.min(next, now + TURN_MS), 0);
      world.noteNews();
      return false;
    }
    if (ahead.at_work) await onStill();
    if (!ahead.left && next === Infinity) return true;
    const times = [next, ahead.due, ahead.free, ahead.stuck].filter((time) => time !== null && time > now);
    const at = Math.min(...(times as number[]), now + (ahead.at_work ? LONGEST_WITH_WORK_MS : LONGEST_MS));
    if (at < now + SECOND_MS) return false;
    if (!ahead.at_work && at === next) {
      world.skipTo(at, Infinity); // there is nothing for anybody before it: cycles that found nothing were a quarter of all statements
      return false;
    }
    world.skipTo(at, 0);
    world.noteNews(); // for all loops, which look now for what time has brought
    return false;
  };
}

type Ahead = {
  /** When nodes will find something that they do not find now: a flow that falls due, a pause or a limit that ends, an attempt that is overdue. */
  readonly due: number | null;
  readonly free: number | null;
  readonly stuck: number | null;
  /** Flows wait in a lane that has closed. */
  readonly is_turning: boolean;
  /** Something is there for them now. */
  readonly at_work: boolean;
  /** Something has yet to come to its end. */
  readonly left: boolean;
};

const AHEAD = `
  WITH beaten AS (UPDATE nodes SET beat = beat + 1 WHERE (SELECT array_agg(name ORDER BY name) FROM nodes) = $1::text[] RETURNING id),
  waiting AS MATERIALIZED (
    SELECT greatest(f.due_at + a.pause_offset, a.open_from) AS at, a.paused_at IS NULL AS is_open, a.open_until FROM flows f JOIN lanes a ON a.id = f.lane_id WHERE f.queued OR f.undecided
     UNION ALL                                                                -- whom a campaign has not come to yet
    SELECT greatest(c.launched_at, a.open_from), a.paused_at IS NULL, a.open_until
      FROM lanes a CROSS JOIN LATERAL (SELECT coalesce(c.started_at, c.created_at) AS launched_at FROM campaigns c WHERE c.id = a.campaign_id AND c.status IN ('RUNNING', 'PAUSED')) AS c
     WHERE a.unfed > 0
     UNION ALL
    SELECT c.start_at, true, 'infinity' FROM campaigns c WHERE c.status = 'SCHEDULED' AND c.start_at > now()),
  unsettled AS MATERIALIZED (
    SELECT a.at FROM device_attempts a CROSS JOIN LATERAL (SELECT FROM flows f WHERE f.id = a.flow_id AND f.settled_at IS NULL OFFSET 0) AS f)
  SELECT (SELECT extract(epoch FROM min(CASE WHEN at > now() THEN at ELSE open_until END))::float8 * 1000 FROM waiting) AS due,
         (SELECT extract(epoch FROM min(greatest(paced.at, hourly.at, daily.at)))::float8 * 1000
            FROM devices d
            LEFT JOIN LATERAL (SELECT max(at) + interval '32 seconds' AS at FROM device_attempts WHERE device_id = d.id) AS paced ON true
            LEFT JOIN LATERAL (SELECT at + interval '1:00:10.1' AS at FROM device_attempts WHERE device_id = d.id ORDER BY at DESC OFFSET d.hourly_limit - 1 LIMIT 1) AS hourly ON true
            LEFT JOIN LATERAL (SELECT at + interval '24:00:10.1' AS at FROM device_attempts WHERE device_id = d.id ORDER BY at DESC OFFSET d.daily_limit - 1 LIMIT 1) AS daily ON true
           WHERE greatest(paced.at, hourly.at, daily.at) > now() AND EXISTS (SELECT FROM waiting WHERE at <= now() AND is_open)) AS free,
         (SELECT extract(epoch FROM min(at))::float8 * 1000 + 310000 FROM unsettled) AS stuck,
         EXISTS (SELECT FROM waiting WHERE at <= now() AND is_open) OR EXISTS (SELECT FROM enrollment_queue)
           OR EXISTS (SELECT FROM workspaces WHERE graph_revision <> reviewed_revision) OR EXISTS (SELECT FROM devices WHERE node_id IS NULL OR wanted_node_id IS NOT NULL)
           OR EXISTS (SELECT FROM enrollments e JOIN sequences s ON s.id = e.sequence_id WHERE s.status = 'ARCHIVED' AND e.status IN ('ACTIVE', 'PAUSED'))
           OR EXISTS (SELECT FROM lanes WHERE open_until <= now()) OR EXISTS (SELECT FROM campaigns c WHERE c.status = 'SCHEDULED' AND coalesce(c.start_at, '-infinity') <= now() OR c.status = 'CANCELLED' AND c.finished_at IS NULL)
           OR EXISTS (SELECT FROM campaigns c JOIN campaign_totals t ON t.campaign_id = c.id WHERE c.status = 'RUNNING' AND t.waiting = 0)
           OR EXISTS (SELECT FROM unsettled WHERE at < now() - interval '5 minutes') AS at_work,
         EXISTS (SELECT FROM waiting WHERE open_until <= now()) AS is_turning,
         EXISTS (SELECT FROM enrollments WHERE status IN ('ACTIVE', 'PAUSED')) OR EXISTS (SELECT FROM waiting) OR EXISTS (SELECT FROM unsettled)
           OR EXISTS (SELECT FROM enrollment_queue) OR EXISTS (SELECT FROM campaigns WHERE launch_id IS NOT NULL AND finished_at IS NULL) AS left
    FROM beaten LIMIT 1`;
