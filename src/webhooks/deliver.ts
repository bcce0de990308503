// Posts what is owed. Deliveries are claimed for a while, so that those of a process that dies come to another one: a receiver may get a message twice, with
// the same id, and never not at all.

import type pg from "pg";
import { plainColumn, textArray } from "../db/arrays.ts";
import { transaction } from "../db/transaction.ts";
import { appendEvents } from "../events/append.ts";
import { createBatcher } from "../lib/batcher.ts";
import { type Clock, MINUTE_MS, SECOND_MS } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Sealer } from "../lib/sealing.ts";
import { secretsOf } from "./endpoints.ts";
import { type Beside, bodyOf, type WebhookAttempt, type WebhookContent } from "./message.ts";
import type { Posted, Poster } from "./post.ts";
import { DEAD_AFTER_MS, retryAfterMs } from "./retry.ts";
import { signedHeaders } from "./signature.ts";

/** Longer than an attempt takes. */
const CLAIM_MS = MINUTE_MS;
/** One that is slow holds up none of the others. */
const PER_ENDPOINT = 10;
const MOST_CLAIMED = 200;
/** Of a delivery. */
const ATTEMPTS_KEPT = 30;

const GONE = 410;

type Claimed = {
  readonly id: string;
  readonly endpointId: string;
  readonly workspaceId: string;
  readonly url: string;
  readonly sealedSecret: Buffer;
  readonly sealedPrevious: Buffer | null;
  readonly content: WebhookContent;
  readonly failures: number;
  /** As Postgres wrote it. */
  readonly claim: string;
} & Beside;

type Ended = {
  readonly claimed: Claimed;
  readonly attempt: WebhookAttempt;
  readonly outcome: "DELIVERED" | "FAILED" | "RETRY";
  readonly waitMs: number;
};

export type DelivererOptions = {
  readonly pool: pg.Pool;
  readonly poster: Poster;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly random: Random;
  readonly version: string;
  readonly onError: (error: unknown) => void;
  /** There is room for more. */
  readonly onRoom: () => void;
  /** An endpoint was given up. */
  readonly onDisabled: (endpointId: string, reason: string) => void;
};

export interface Deliverer {
  /** Claims what is due, as far as there is room, and begins to post it. */
  claim(): Promise<void>;
  /** Waits for what is being posted. */
  idle(): Promise<void>;
}

export function createDeliverer({ pool, poster, sealer, clock, random, version, onError, onRoom, onDisabled }: DelivererOptions): Deliverer {
  const underWay = new Map<string, number>();
  const running = new Set<Promise<void>>();

  const settleAll = async (batch: readonly (Ended & { readonly done: () => void })[]) => {
    try {
      for (const { id, reason } of await settle(pool, batch)) onDisabled(id, reason);
    } catch (error) {
      onError(error); // claimed still: when the claim has passed, they are posted again
    } finally {
      for (const { done } of batch) done();
    }
  };
  const settleSoon = createBatcher<Ended & { readonly done: () => void }>({ clock, waitMs: 5, most: 200, atOnce: 2, patienceMs: 10 * SECOND_MS, run: settleAll });

  const attempt = async (claimed: Claimed): Promise<void> => {
    const at = new Date(clock.now());
    const body = bodyOf(claimed.content, claimed);
    const headers = { "user-agent": `Rentak/${version}`, ...signedHeaders({ id: claimed.id, at, body }, secretsOf(sealer, claimed)) };
    const posted = await poster.post(claimed.url, headers, body);
    await new Promise<void>((done) => settleSoon({ ...endedAs(claimed, at, posted, random), done }));
  };

  const begin = (claimed: Claimed) => {
    const { endpointId } = claimed;
    underWay.set(endpointId, (underWay.get(endpointId) ?? 0) + 1);
    const ending = attempt(claimed)
      .catch(onError)
      .finally(() => {
        running.delete(ending);
        const left = (underWay.get(endpointId) ?? 1) - 1;
        if (left > 0) underWay.set(endpointId, left);
        else underWay.delete(endpointId);
        // Not at each: a claim for one costs as much as one for five.
        if (left <= PER_ENDPOINT / 2) onRoom();
      });
    running.add(ending);
  };

  return {
    async claim() {
      for (const claimed of await claimDue(pool, underWay)) begin(claimed);
    },
    async idle() {
      await Promise.all(running);
    },
  };
}

function endedAs(claimed: Claimed, at: Date, { status, error, durationMs, retryAfterMs: askedMs }: Posted, random: Random): Ended {
  const attempt = { at: at.toISOString(), durationMs, status, error };
  if (error === null) return { claimed, attempt, outcome: "DELIVERED", waitMs: 0 };
  const waitMs = retryAfterMs(claimed.failures + 1, random, askedMs);
  return { claimed, attempt, outcome: waitMs === null ? "FAILED" : "RETRY", waitMs: waitMs ?? 0 };
}

/** Texts that events do not have are read now: what was erased since is empty. */
async function claimDue(pool: pg.Pool, underWay: ReadonlyMap<string, number>): Promise<Claimed[]> {
  const busy = [...underWay];
  const { rows } = await pool.query<Claimed>(
    `WITH due AS MATERIALIZED (
       SELECT d.id FROM webhook_endpoints e
         LEFT JOIN unnest($1::uuid[], $2::int[]) AS busy(id, attempts) ON busy.id = e.id
        CROSS JOIN LATERAL (
          SELECT d.id FROM webhook_deliveries d
           WHERE d.endpoint_id = e.id AND d.settled_at IS NULL AND d.next_attempt_at <= clock_timestamp()
           ORDER BY d.next_attempt_at LIMIT greatest(${PER_ENDPOINT} - coalesce(busy.attempts, 0), 0)
             FOR UPDATE SKIP LOCKED) AS d              -- two processes claim different ones
        WHERE e.disabled_at IS NULL LIMIT ${MOST_CLAIMED}),
     claimed AS (
       UPDATE webhook_deliveries d SET next_attempt_at = clock_timestamp() + interval '${CLAIM_MS} milliseconds' FROM due WHERE d.id = due.id
       RETURNING d.id, d.workspace_id, d.endpoint_id, d.content, d.failures, d.next_attempt_at)
     SELECT c.id, c.endpoint_id AS "endpointId", c.workspace_id AS "workspaceId", e.url, e.sealed_secret AS "sealedSecret",
            CASE WHEN e.previous_until > clock_timestamp() THEN e.sealed_previous END AS "sealedPrevious",
            c.content, c.failures, c.next_attempt_at::text AS claim, r.text, r.opted_out AS "optedOut",
            coalesce(r.lead_id,
                     (SELECT f.lead_id FROM flows f WHERE f.id = (c.content ->> 'flowId')::uuid),
                     (SELECT n.lead_id FROM enrollments n WHERE n.id = (c.content ->> 'enrollmentId')::uuid)) AS "leadId"
       FROM claimed c JOIN webhook_endpoints e ON e.id = c.endpoint_id
       LEFT JOIN replies r ON r.id = (c.content ->> 'replyId')::uuid
      ORDER BY c.id`,
    [plainColumn(busy, ([id]) => id), plainColumn(busy, ([, attempts]) => attempts)],
  );
  return rows;
}

const SETTLE = `
  WITH ended AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::float8[], $5::timestamptz[]) AS w(id, outcome, attempt, wait_ms, claim)),
  settled AS (
    UPDATE webhook_deliveries d
       SET attempts = (SELECT jsonb_agg(a ORDER BY n) FROM (SELECT a, n FROM jsonb_array_elements(d.attempts || ended.attempt) WITH ORDINALITY AS t(a, n) ORDER BY n DESC LIMIT ${ATTEMPTS_KEPT}) AS kept),
           failures = CASE WHEN ended.outcome = 'DELIVERED' THEN d.failures ELSE d.failures + 1 END,
           settled_at = CASE WHEN ended.outcome <> 'RETRY' THEN clock_timestamp() END,
           outcome = nullif(ended.outcome, 'RETRY'),
           next_attempt_at = clock_timestamp() + make_interval(secs => ended.wait_ms / 1000)
      FROM ended
     WHERE d.id = ended.id AND d.settled_at IS NULL
       AND (ended.outcome = 'DELIVERED'             -- taken is taken, whoever has posted it meanwhile
            OR d.next_attempt_at = ended.claim)     -- a process that was suspended longer than its claim has no say
    RETURNING d.endpoint_id, ended.outcome),
  changed AS (SELECT endpoint_id, bool_or(outcome = 'DELIVERED') AS takes FROM settled GROUP BY endpoint_id)
  UPDATE webhook_endpoints e SET failing_since = CASE WHEN c.takes THEN NULL ELSE clock_timestamp() END
    FROM changed c WHERE e.id = c.endpoint_id AND (e.failing_since IS NULL) <> c.takes`;

// Disables what is dead, and says so in the log, in the same transaction.
const DISABLE = `
  WITH dead AS MATERIALIZED (SELECT * FROM unnest($1::uuid[], $2::boolean[]) AS w(id, is_gone)),
  disabled AS (
    UPDATE webhook_endpoints e SET disabled_at = clock_timestamp(), disabled_reason = CASE WHEN dead.is_gone THEN 'GONE' ELSE 'FAILING' END
      FROM dead
     WHERE e.id = dead.id AND e.disabled_at IS NULL
       AND (dead.is_gone OR e.failing_since <= clock_timestamp() - interval '${DEAD_AFTER_MS} milliseconds')
    RETURNING e.id, e.workspace_id, e.disabled_reason),
  told AS (${appendEvents(["status", "reason", "webhook_endpoint_id"], `
    SELECT workspace_id, 'ALERT' AS type, 'WEBHOOK_DISABLED' AS status, id AS webhook_endpoint_id,
           CASE disabled_reason WHEN 'GONE' THEN 'A webhook endpoint answered that it is gone, and gets nothing any more. Delete it, or enable it when it is back: what it has missed is kept.'
                ELSE 'A webhook endpoint has taken nothing for three days, and gets nothing any more. Look at its last deliveries, mend it, and enable it: what it has missed is kept.' END AS reason
      FROM disabled`)})
  SELECT id, disabled_reason AS reason FROM disabled`;

/** Returns the endpoints that were given up by it. */
async function settle(pool: pg.Pool, batch: readonly Ended[]): Promise<{ id: string; reason: string }[]> {
  const dead = new Map<string, boolean>();
  for (const { claimed, outcome, attempt } of batch) {
    if (attempt.status === GONE) dead.set(claimed.endpointId, true);
    else if (outcome === "FAILED" && !dead.has(claimed.endpointId)) dead.set(claimed.endpointId, false);
  }
  return transaction(pool, async (client) => {
    await client.query(SETTLE, [
      plainColumn(batch, ({ claimed }) => claimed.id),
      plainColumn(batch, ({ outcome }) => outcome),
      textArray(batch.map(({ attempt }) => JSON.stringify(attempt))),
      plainColumn(batch, ({ waitMs }) => waitMs),
      textArray(batch.map(({ claimed }) => claimed.claim)),
    ]);
    if (dead.size === 0) return [];
    const endpoints = [...dead];
    const { rows } = await client.query<{ id: string; reason: string }>(DISABLE, [plainColumn(endpoints, ([id]) => id), plainColumn(endpoints, ([, isGone]) => isGone)]);
    return rows;
  });
}
