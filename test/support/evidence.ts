// What a run has left behind: the rows, what was on the wire, and which faults it met. The verdict (verdict.ts) is spoken on this alone.

import type pg from "pg";
import { messageIdsOf } from "./node.ts";
import { query } from "./factories.ts";
import type { WireLine } from "./wire-witness.ts";

export type FlowEvidence = {
  readonly id: string;
  readonly workspace: string;
  readonly enrollmentId: string;
  readonly stepId: string;
  readonly phone: string;
  readonly status: string;
  readonly failureCode: string | null;
  readonly text: string | null;
  readonly deviceId: string | null;
  readonly nodeId: string | null;
  readonly queued: boolean;
  /** By Postgres's clock, ms since the epoch. */
  readonly attemptedAt: number | null;
  readonly settledAt: number | null;
  /** The types of its events, in order. */
  readonly events: readonly string[];
};

export type EnrollmentEvidence = { readonly id: string; readonly leadId: string; readonly sequenceId: string; readonly status: string };
export type StepEvidence = { readonly id: string; readonly sequenceId: string; readonly day: number };

export type DeviceEvidence = {
  readonly id: string;
  readonly workspace: string;
  readonly hourlyLimit: number;
  readonly dailyLimit: number;
  /** Between two of its messages. */
  readonly minDelayMs: number;
};

/** From `at` on (Postgres's clock) the device was this node's, or nobody's. */
export type OwnerEvidence = { readonly deviceId: string; readonly nodeId: string | null; readonly at: number };

/** Counts as the server keeps them, and as they are. */
export type CountEvidence = { readonly sequenceId: string; readonly kept: readonly number[]; readonly counted: readonly number[] };

export type Fault = {
  readonly what: string;
  /** When it struck, by the witness's clock. */
  readonly at: number;
  /** The flows whose outcome it may have cost: attempted and not settled when it struck. */
  readonly inFlight: readonly string[];
};

export type Evidence = {
  /** That were loaded. */
  readonly leads: number;
  readonly flows: readonly FlowEvidence[];
  readonly enrollments: readonly EnrollmentEvidence[];
  readonly steps: readonly StepEvidence[];
  readonly devices: readonly DeviceEvidence[];
  readonly owners: readonly OwnerEvidence[];
  readonly counts: readonly CountEvidence[];
  readonly lines: readonly (WireLine & { readonly flowId: string | null })[];
  /** When the work was there, by the witness's clock. */
  readonly startedAt: number;
  readonly faults: readonly Fault[];
  /** All of the faults that were meant have been. */
  readonly isPlayed: boolean;
  /** An attempt is settled after this at the latest, when nothing is heard of it. */
  readonly stuckMs: number;
};

const FLOWS = `
  SELECT f.id, w.name AS workspace, f.enrollment_id AS "enrollmentId", f.step_id AS "stepId", l.phone, f.status, f.failure_code AS "failureCode", f.text,
         f.device_id AS "deviceId", f.node_id AS "nodeId", f.queued,
         extract(epoch FROM f.attempted_at)::float8 * 1000 AS "attemptedAt", extract(epoch FROM f.settled_at)::float8 * 1000 AS "settledAt",
         coalesce(e.types, '{}') AS events
    FROM flows f JOIN workspaces w ON w.id = f.workspace_id JOIN leads l ON l.id = f.lead_id
    LEFT JOIN (SELECT flow_id, array_agg(type ORDER BY xid, id) AS types FROM events GROUP BY flow_id) AS e ON e.flow_id = f.id`;

const DEVICES = `
  SELECT d.id, w.name AS workspace, d.hourly_limit AS "hourlyLimit", d.daily_limit AS "dailyLimit",
         (SELECT 1000 * min(s.min_delay_seconds) FROM sequences s WHERE s.workspace_id = d.workspace_id) AS "minDelayMs"
    FROM devices d JOIN workspaces w ON w.id = d.workspace_id`;

const KEPT = ["enrolled", "active", "completed", "stopped", "sent", "failed"];

const COUNTS = `
  SELECT t.sequence_id AS "sequenceId", ARRAY[${KEPT.join(", ")}]::int[] AS kept,
         ARRAY[(SELECT count(*) FROM enrollments e WHERE e.sequence_id = t.sequence_id),
               (SELECT count(*) FROM enrollments e WHERE e.sequence_id = t.sequence_id AND e.status = 'ACTIVE'),
               (SELECT count(*) FROM enrollments e WHERE e.sequence_id = t.sequence_id AND e.status = 'COMPLETED'),
               (SELECT count(*) FROM enrollments e WHERE e.sequence_id = t.sequence_id AND e.status = 'STOPPED'),
               (SELECT count(*) FROM flows f WHERE f.sequence_id = t.sequence_id AND f.status = 'SENT'),
               (SELECT count(*) FROM flows f WHERE f.sequence_id = t.sequence_id AND f.status = 'FAILED')]::int[] AS counted
    FROM sequence_totals t`;

export async function gatherEvidence(pool: pg.Pool, wire: readonly WireLine[], run: Pick<Evidence, "startedAt" | "faults" | "isPlayed" | "stuckMs">): Promise<Evidence> {
  const { flowIdOf } = await messageIdsOf(pool);
  const [{ leads } = { leads: 0 }] = await query<{ leads: number }>(pool, "SELECT count(*) AS leads FROM leads");
  return {
    leads,
    flows: await query<FlowEvidence>(pool, FLOWS),
    enrollments: await query<EnrollmentEvidence>(pool, `SELECT id, lead_id AS "leadId", sequence_id AS "sequenceId", status FROM enrollments`),
    steps: await query<StepEvidence>(pool, `SELECT id, sequence_id AS "sequenceId", day_number AS day FROM sequence_steps`),
    devices: await query<DeviceEvidence>(pool, DEVICES),
    owners: await query<OwnerEvidence>(pool, `SELECT device_id AS "deviceId", node_id AS "nodeId", extract(epoch FROM at)::float8 * 1000 AS at FROM test_device_owners ORDER BY id`),
    counts: await query<CountEvidence>(pool, COUNTS),
    lines: wire.map((line) => ({ ...line, flowId: flowIdOf(line.messageId) })),
    ...run,
  };
}

/** Writes down from now on whose each device is, and what each process was called: a node's word for it would be the word of who is under test. */
export async function recordOwners(pool: pg.Pool): Promise<void> {
  await pool.query(`
    CREATE TABLE test_nodes (id uuid NOT NULL, name text NOT NULL);
    CREATE TABLE test_device_owners (id bigint GENERATED ALWAYS AS IDENTITY, device_id uuid NOT NULL, node_id uuid, at timestamptz NOT NULL);
    CREATE FUNCTION test_record_node() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO test_nodes (id, name) VALUES (NEW.id, NEW.name);
      RETURN NULL;
    END $$;
    CREATE FUNCTION test_record_owner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO test_device_owners (device_id, node_id, at) VALUES (NEW.id, NEW.node_id, clock_timestamp());
      RETURN NULL;
    END $$;
    CREATE TRIGGER test_node_joined AFTER INSERT ON nodes FOR EACH ROW EXECUTE FUNCTION test_record_node();
    CREATE TRIGGER test_owner_changed AFTER UPDATE OF node_id ON devices FOR EACH ROW
      WHEN (NEW.node_id IS DISTINCT FROM OLD.node_id) EXECUTE FUNCTION test_record_owner()`);
}

/** The flows that these processes have attempted, under whatever id, and not settled. */
export async function flowsInFlight(pool: pg.Pool, names: readonly string[]): Promise<string[]> {
  const rows = await query<{ id: string }>(
    pool,
    "SELECT f.id FROM flows f JOIN test_nodes n ON n.id = f.node_id WHERE n.name = ANY ($1) AND f.attempted_at IS NOT NULL AND f.settled_at IS NULL",
    [names],
  );
  return rows.map(({ id }) => id);
}
