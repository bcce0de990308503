// A campaign's message to one person first, marked as a test: through the same dispatcher, with every limit and opt-out, in a lane of its own that is open
// while the campaign itself has not begun or is paused. In none of its counts.

import { sql } from "drizzle-orm";
import { idempotent } from "../access/idempotency.ts";
import type { Tx } from "../db/workspace.ts";
import { appendEvents } from "../events/append.ts";
import { settleFlows } from "../flows/settle.ts";
import { KNOWN_DEVICE } from "../leads/known-device.ts";
import { parsePhone } from "../leads/phone.ts";
import { defaultCountryOf } from "../leads/write.ts";
import { invalid, ok, refused, type Result } from "../lib/errors.ts";
import { lockCampaign, noCampaign } from "./read.ts";
import type { CampaignWrites } from "./service.ts";
import { IS_OVER } from "./states.ts";

/** Exactly one of them. */
export type TestRecipient = { readonly phone?: string | null | undefined; readonly leadId?: string | null | undefined };

export type TestCall = TestRecipient & { readonly idempotencyKey?: string | null | undefined };

/** Returns the flow's id. */
export async function testCampaign({ db, bell }: CampaignWrites, id: string, { idempotencyKey, ...recipient }: TestCall): Promise<Result<string>> {
  const result = await db.write((tx) =>
    idempotent(tx, { key: idempotencyKey, operation: "testCampaign", input: { id, ...recipient } }, async (): Promise<Result<string>> => {
      const campaign = await lockCampaign(tx, db, id);
      if (!campaign) return refused(noCampaign("id"));
      if (IS_OVER.includes(campaign.status)) {
        return refused({ code: "INVALID_STATE", message: `The campaign '${campaign.name}' is ${campaign.status}; there is nothing to try any more.`, field: ["id"] });
      }
      const lead = await findRecipient(tx, db.id, recipient);
      return lead.ok ? ok(await createTest(tx, id, lead.value)) : lead;
    }),
  );
  if (result.ok) bell.ring("events");
  return result;
}

async function findRecipient(tx: Tx, workspaceId: string, { phone, leadId }: TestRecipient): Promise<Result<string>> {
  if ((phone == null) === (leadId == null)) return refused(invalid("Give either `phone` or `leadId`: to whom the test goes.", "phone"));
  const field = phone == null ? "leadId" : "phone";
  const parsed = phone == null ? null : parsePhone(phone, await defaultCountryOf(tx, workspaceId));
  if (parsed && !parsed.ok) return refused(invalid(`${parsed.reason}.`, field));
  const condition = parsed ? sql`phone = ${parsed.phone}` : sql`id = ${leadId}::uuid`;
  const { rows } = await tx.execute<{ id: string; hasOptedOut: boolean }>(
    sql`SELECT id, opted_out_at IS NOT NULL AS "hasOptedOut" FROM leads WHERE workspace_id = ${workspaceId}::uuid AND ${condition}`,
  );
  const [lead] = rows;
  if (!lead) {
    const message = parsed ? "No lead has this number. Add yourself with upsertLeads first: messages go to leads alone." : "There is no lead with this id.";
    return refused({ code: "NOT_FOUND", message, field: [field] });
  }
  if (lead.hasOptedOut) {
    return refused({ code: "SUPPRESSED", message: "This person has opted out; not even a test is sent until they agree again.", field: [field] });
  }
  return ok(lead.id);
}

const LOGGED = sql.raw(appendEvents(["flow_id", "campaign_id"], "SELECT workspace_id, 'FLOW_ACTIVATED' AS type, id AS flow_id, campaign_id FROM created"));

async function createTest(tx: Tx, campaignId: string, leadId: string): Promise<string> {
  // In a statement of its own: a lane that is made in a statement is not seen by it.
  const { rows: lanes } = await tx.execute<{ id: string }>(sql`
    SELECT campaign_lane_of(${campaignId}::uuid, coalesce(l.time_zone, w.time_zone), true) AS id
      FROM leads l JOIN workspaces w ON w.id = l.workspace_id WHERE l.id = ${leadId}::uuid`);
  const { rows } = await tx.execute<{ id: string }>(sql`
    WITH created AS (
      INSERT INTO flows (workspace_id, lane_id, lead_id, campaign_id, due_at, bound_device_id)
      SELECT l.workspace_id, a.id, l.id, a.campaign_id, lane_time(clock_timestamp(), a.paused_at, a.pause_offset), ${sql.raw(KNOWN_DEVICE)}
        FROM leads l JOIN lanes a ON a.id = ${lanes[0]?.id}::bigint WHERE l.id = ${leadId}::uuid
      RETURNING id, workspace_id, campaign_id),
    logged AS (${LOGGED})
    SELECT id FROM created`);
  const [created] = rows;
  if (!created) throw new Error("an insert returned no row");
  return created.id;
}

/** Those that are not attempted yet. */
export async function cancelTests(tx: Tx, campaignId: string): Promise<void> {
  const { rows } = await tx.execute<{ id: string }>(sql`
    SELECT f.id FROM lanes a JOIN flows f ON f.lane_id = a.id AND f.queued WHERE a.campaign_id = ${campaignId}::uuid AND a.is_test`);
  await settleFlows(tx.$client, rows.map(({ id }) => ({ flowId: id, attemptId: null, ending: { kind: "cancelled" } })), 0);
  await tx.execute(sql`UPDATE lanes SET paused_at = coalesce(paused_at, clock_timestamp()) WHERE campaign_id = ${campaignId}::uuid`);
}
