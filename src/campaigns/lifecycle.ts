// Launching, pausing, resuming and cancelling. Each is a change of the campaign's row, and by a database trigger of its lanes: as dear for ten leads as for
// a million, the launch apart, which writes the audience down.

import { sql } from "drizzle-orm";
import { idempotent } from "../access/idempotency.ts";
import type { Tx } from "../db/workspace.ts";
import { ok, refused, type Result } from "../lib/errors.ts";
import { fixAudience } from "./audience.ts";
import { lockCampaign, noCampaign, type Campaign } from "./read.ts";
import type { CampaignWrites } from "./service.ts";
import { CAMPAIGN_TRANSITIONS, type CampaignChange } from "./states.ts";

/** SCHEDULED until its time comes, by the database's clock. */
const BEGUN = sql`CASE WHEN start_at > clock_timestamp() THEN 'SCHEDULED' ELSE 'RUNNING' END`;

/** Fixes the audience now, also where it begins later. */
export function launchCampaign(writes: CampaignWrites, id: string, idempotencyKey: string | null | undefined): Promise<Result<string>> {
  const { db } = writes;
  return change(writes, id, "launch", idempotencyKey, async (tx, { audience }) => {
    const fixed = await fixAudience(tx, db, id, audience);
    if (!fixed.ok) return fixed;
    if (fixed.value === 0) {
      const message = "Nobody who may be written to matches its audience: who has opted out, or lacks a consent that is required, is no part of it. The query leads shows whom a filter finds.";
      return refused({ code: "INVALID", message, field: ["id"] });
    }
    await tx.execute(sql`
      UPDATE campaigns SET status = ${BEGUN}, launch_id = uuid_v7(), audience_size = ${fixed.value},
             started_at = CASE WHEN start_at > clock_timestamp() THEN NULL ELSE clock_timestamp() END
       WHERE id = ${id}::uuid`);
    return ok(null);
  });
}

/** Holds everything of it that is not attempted yet. */
export const pauseCampaign = (writes: CampaignWrites, id: string): Promise<Result<string>> =>
  change(writes, id, "pause", null, async (tx) => {
    await tx.execute(sql`UPDATE campaigns SET status = 'PAUSED' WHERE id = ${id}::uuid`);
    return ok(null);
  });

export const resumeCampaign = (writes: CampaignWrites, id: string): Promise<Result<string>> =>
  change(writes, id, "resume", null, async (tx) => {
    await tx.execute(sql`
      UPDATE campaigns SET status = ${BEGUN}, started_at = CASE WHEN start_at > clock_timestamp() THEN started_at ELSE coalesce(started_at, clock_timestamp()) END
       WHERE id = ${id}::uuid`);
    return ok(null);
  });

/** For good. Its flows in the queue are cancelled by the feeder within seconds, and sent no more from now on; its other leads are counted as cancelled. */
export const cancelCampaign = (writes: CampaignWrites, id: string): Promise<Result<string>> =>
  change(writes, id, "cancel", null, async (tx) => {
    await tx.execute(sql`UPDATE campaigns SET status = 'CANCELLED' WHERE id = ${id}::uuid`);
    return ok(null);
  });

type Make = (tx: Tx, campaign: Campaign) => Promise<Result<null>>;

async function change(writes: CampaignWrites, id: string, name: CampaignChange, idempotencyKey: string | null | undefined, make: Make): Promise<Result<string>> {
  const { db, bell } = writes;
  const { from, to } = CAMPAIGN_TRANSITIONS[name];
  const result = await db.write((tx) =>
    idempotent(tx, { key: idempotencyKey, operation: `${name}Campaign`, input: { id } }, async (): Promise<Result<string>> => {
      const campaign = await lockCampaign(tx, db, id);
      if (!campaign) return refused(noCampaign("id"));
      // Asked for twice, as after a lost answer; but who launches twice may mean two different audiences.
      if (name !== "launch" && to.includes(campaign.status)) return ok(id);
      if (!from.includes(campaign.status)) {
        const which = `only one that is ${from.join(" or ")} can be ${PAST[name]}`;
        const hint = campaign.status === "DRAFT" && name === "cancel" ? " A draft is deleted with deleteCampaign." : "";
        return refused({ code: "INVALID_STATE", message: `The campaign '${campaign.name}' is ${campaign.status}; ${which}.${hint}`, field: ["id"] });
      }
      const made = await make(tx, campaign);
      return made.ok ? ok(id) : made;
    }),
  );
  if (result.ok) bell.ring("campaigns");
  return result;
}

const PAST: { readonly [Change in CampaignChange]: string } = {
  launch: "launched",
  begin: "begun",
  pause: "paused",
  resume: "resumed",
  complete: "completed",
  reopen: "reopened",
  cancel: "cancelled",
};
