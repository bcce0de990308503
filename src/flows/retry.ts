// An operator's own decision to attempt failed flows again. Each is attempted as a new flow, for a flow is attempted at most once. The enrolment
// went on when the first one failed, and is not moved by it.

import type pg from "pg";
import { earlierResult, idempotent, type IdempotentCall } from "../access/idempotency.ts";
import { textArray } from "../db/arrays.ts";
import { KNOWN_DEVICE } from "../leads/known-device.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import { appendEvents } from "../events/append.ts";
import type { Bell } from "../events/bell.ts";
import { ok, refused, type Result, type UserErrorCode } from "../lib/errors.ts";
import { retriableFlowIds, type FlowFilter } from "./service.ts";

type Queryable = Pick<pg.ClientBase, "query">;

type Refusal = "not_failed" | "retried" | "lead_gone" | "opted_out" | "archived" | "step_removed" | "stopped" | "paused" | "superseded" | "campaign_over" | "test";

const retry = `
  WITH wanted AS MATERIALIZED (
    SELECT f.* FROM unnest($1::uuid[]) AS w(id)
     CROSS JOIN LATERAL (SELECT * FROM flows WHERE flows.id = w.id AND flows.workspace_id = $2 OFFSET 0) AS f),
  judged AS MATERIALIZED (
    SELECT f.id, f.status, f.retried_as, e.stop_reason,
           CASE WHEN f.status <> 'FAILED' THEN 'not_failed'
                WHEN f.retried_as IS NOT NULL THEN 'retried'
                WHEN l.id IS NULL OR e.id IS NULL AND f.campaign_id IS NULL THEN 'lead_gone'
                WHEN l.opted_out_at IS NOT NULL THEN 'opted_out'
                WHEN f.campaign_id IS NOT NULL THEN CASE WHEN a.is_test THEN 'test' WHEN c.id IS NULL OR c.status = 'CANCELLED' THEN 'campaign_over' END
                WHEN s.status = 'ARCHIVED' THEN 'archived'
                WHEN st.id IS NULL THEN 'step_removed'
                WHEN e.status = 'STOPPED' AND e.stop_reason <> 'FLOW_FAILED' THEN 'stopped'
                WHEN e.status = 'PAUSED' THEN 'paused'
                WHEN is_superseded(f.enrollment_id, f.step_id, f.id) THEN 'superseded'
           END AS refusal
      FROM wanted f
      LEFT JOIN leads l ON l.id = f.lead_id
      LEFT JOIN enrollments e ON e.id = f.enrollment_id
      LEFT JOIN sequences s ON s.id = f.sequence_id
      LEFT JOIN sequence_steps st ON st.id = f.step_id
      LEFT JOIN campaigns c ON c.id = f.campaign_id
      LEFT JOIN lanes a ON a.id = f.lane_id),
  keyed AS MATERIALIZED (                            -- in the order of the steps, which is the order that they are attempted in, too
    SELECT j.id, uuid_v7() AS retry_id FROM (SELECT id FROM judged WHERE refusal IS NULL ORDER BY id OFFSET 0) AS j),
  taken AS (
    UPDATE flows f SET retried_as = k.retry_id
      FROM keyed k
     WHERE f.id = k.id
       AND f.retried_as IS NULL                      -- compare and swap: who sets it makes the new flow, once, whatever races
       AND f.status = 'FAILED'                       -- an acknowledgement may have come meanwhile
    RETURNING f.*),
  created AS (
    INSERT INTO flows (id, workspace_id, lane_id, lead_id, enrollment_id, sequence_id, step_id, campaign_id, retry_of, retry_count, due_at, bound_device_id)
    SELECT t.retried_as, t.workspace_id, t.lane_id, t.lead_id, t.enrollment_id, t.sequence_id, t.step_id, t.campaign_id, t.id, t.retry_count + 1,
           lane_time(statement_timestamp(), a.paused_at, a.pause_offset),
           ${KNOWN_DEVICE}
      FROM taken t
      JOIN lanes a ON a.id = t.lane_id
      JOIN leads l ON l.id = t.lead_id
    RETURNING id, workspace_id, sequence_id, campaign_id),
  of_campaigns AS MATERIALIZED (
    SELECT workspace_id, campaign_id, count(*) AS flows FROM created WHERE campaign_id IS NOT NULL GROUP BY workspace_id, campaign_id),
  reopened AS (                                      -- one that was complete has something to do again. Whatever its state: who ends or cancels it at this
    UPDATE campaigns c                               -- moment waits for this, or this for that; and what has been cancelled is swept once more
       SET status = CASE c.status WHEN 'COMPLETED' THEN 'RUNNING' ELSE c.status END, finished_at = NULL
      FROM of_campaigns o WHERE c.id = o.campaign_id),
  uncounted AS (                                     -- the lead is counted as its retry ends
    INSERT INTO campaign_count_deltas (workspace_id, campaign_id, failed) SELECT workspace_id, campaign_id, -flows FROM of_campaigns),
  logged AS (${appendEvents(["flow_id", "sequence_id", "campaign_id"], "SELECT workspace_id, 'FLOW_ACTIVATED' AS type, id AS flow_id, sequence_id, campaign_id FROM created")})
  SELECT j.id, j.status, j.stop_reason AS "stopReason", coalesce(t.retried_as, j.retried_as) AS "retriedAs",
         coalesce(j.refusal, CASE WHEN t.id IS NULL THEN 'retried' END) AS refusal
    FROM judged j LEFT JOIN taken t ON t.id = j.id`;

type Verdict = {
  readonly id: string;
  readonly status: string;
  readonly stopReason: string | null;
  /** The new flow, or the one that it was attempted again as before. */
  readonly retriedAs: string | null;
  readonly refusal: Refusal | null;
};

async function retryAll(client: Queryable, workspaceId: string, ids: readonly string[]): Promise<Verdict[]> {
  return (await client.query<Verdict>(retry, [textArray(ids), workspaceId])).rows;
}

export type FlowWrites = { readonly db: WorkspaceDb; readonly bell: Bell };

/** Returns the new flow's id. */
export async function retryFlow({ db, bell }: FlowWrites, id: string, idempotencyKey: string | null | undefined): Promise<Result<string>> {
  const result = await db.write((tx) =>
    idempotent(tx, { key: idempotencyKey, operation: "retryFlow", input: { id } }, async () => {
      const [verdict] = await retryAll(tx.$client, db.id, [id]);
      if (!verdict) return refused({ code: "NOT_FOUND", message: "There is no flow with this id.", field: ["id"] });
      return verdict.refusal === null && verdict.retriedAs !== null ? ok(verdict.retriedAs) : refused({ ...refusalOf(verdict), field: ["id"] });
    }),
  );
  if (result.ok) bell.ring("events");
  return result;
}

function refusalOf({ refusal, status, stopReason, retriedAs }: Verdict): { readonly code: UserErrorCode; readonly message: string } {
  const notNow = (message: string) => ({ code: "INVALID_STATE" as const, message });
  switch (refusal) {
    case "not_failed":
      return notNow(`The flow is ${status}; only one that is FAILED can be attempted again.`);
    case "lead_gone":
      return notNow("The lead is gone; nobody is left to send it to.");
    case "opted_out":
      return { code: "SUPPRESSED", message: "The lead has opted out; nothing is sent to this person until they agree again." };
    case "test":
      return notNow("It was a campaign's test message; send another one with testCampaign.");
    case "campaign_over":
      return notNow("Its campaign was cancelled, for good.");
    case "archived":
      return notNow("Its sequence is archived, for good.");
    case "step_removed":
      return notNow("Its step was removed from the sequence; there is no text to send any more.");
    case "stopped":
      return notNow(`The lead's enrolment was stopped (${stopReason}); enrol the lead anew instead.`);
    case "paused":
      return notNow("The lead's enrolment is paused; resume it first.");
    case "superseded":
      return notNow("A later step of the enrolment has been attempted; this message would come after it.");
    case "retried":
    case null:
      return notNow(`It has been attempted again already${retriedAs === null ? "" : `, as Flow:${retriedAs}`}; retry that one if it failed, too.`);
  }
}

/** In one transaction, so that no lock is held for long and sending goes on undisturbed. */
const BATCH = 1000;

/** In one call; more would keep the caller waiting for minutes. */
const MAX_RETRIED = 100_000;

export type RetryCounts = { readonly retried: number; readonly refused: number };

/** Retries the failed flows that match and were not retried yet. A call that breaks off half-way can be repeated: nothing is retried twice. */
export async function retryFlows(
  { db, bell }: FlowWrites,
  filter: FlowFilter,
  idempotencyKey: string | null | undefined,
): Promise<Result<RetryCounts>> {
  const call: IdempotentCall = { key: idempotencyKey, operation: "retryFlows", input: filter };
  const earlier = await db.read((tx) => earlierResult<RetryCounts>(tx, call));
  if (earlier) return earlier;
  const ids = await retriableFlowIds(db, filter, MAX_RETRIED + 1);
  if (ids.length > MAX_RETRIED) {
    const most = MAX_RETRIED.toLocaleString("en");
    const message = `More than ${most} failed flows match. Retry them in parts, with failedAfter or one sequenceId at a time, say.`;
    return refused({ code: "LIMIT_EXCEEDED", message, field: ["filter"] });
  }
  let retried = 0;
  for (let start = 0; start < ids.length; start += BATCH) {
    const done = await db.write(async (tx) => ok(await retryAll(tx.$client, db.id, ids.slice(start, start + BATCH))));
    if (done.ok) retried += done.value.filter(({ refusal }) => refusal === null).length;
    bell.ring("events");
  }
  return db.write((tx) => idempotent(tx, call, async () => ok({ retried, refused: ids.length - retried })));
}
