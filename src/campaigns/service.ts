// Writing campaigns. What changes their state is in lifecycle.ts.

import { and, eq } from "drizzle-orm";
import { idempotent, WITHIN_INPUT } from "../access/idempotency.ts";
import { campaigns } from "../db/tables/campaigns.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import type { Bell } from "../events/bell.ts";
import type { LeadFilter } from "../leads/filter.ts";
import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";
import type { ChosenMedia } from "../media/caption.ts";
import { chosenMedia } from "../media/store.ts";
import { storedVariants, type Variant } from "../messages/variants.ts";
import { checkAudience, storedAudience } from "./audience.ts";
import { lockCampaign, noCampaign } from "./read.ts";
import { campaignProblems } from "./rules.ts";
import { EDITABLE } from "./states.ts";
import { cancelTests } from "./test-send.ts";

type Optional<T> = T | null | undefined;

export type CampaignWrites = { readonly db: WorkspaceDb; readonly bell: Bell };

export type NewCampaign = {
  readonly name: string;
  readonly text: string;
  /** Sent with the text. Null in a change: it has none any more. */
  readonly media?: Optional<ChosenMedia>;
  readonly variants: readonly Variant[];
  readonly audience: LeadFilter;
  readonly startAt?: Optional<Date>;
  readonly minDelaySeconds: number;
  readonly maxDelaySeconds: number;
  readonly greeting: boolean;
  readonly visibleVariation: boolean;
  readonly idempotencyKey?: Optional<string>;
};

export type CampaignChange = { readonly [Name in keyof Omit<NewCampaign, "idempotencyKey">]?: Optional<NewCampaign[Name]> };

export function createCampaign({ db }: CampaignWrites, { idempotencyKey, ...input }: NewCampaign): Promise<Result<string>> {
  return db.write((tx) =>
    idempotent(tx, { key: idempotencyKey, operation: "createCampaign", input, at: WITHIN_INPUT }, async () => {
      const checked = await checkAudience(tx, db, input.audience);
      const problems = [...campaignProblems({ ...input, media: input.media ?? null }), ...(checked.ok ? [] : checked.errors)];
      if (problems.length > 0) return refused(...problems);
      const { text, media, variants, audience, name, ...fields } = input;
      const values = { ...fields, variants: storedVariants(variants), name: name.trim(), messageText: text, mediaId: media?.id ?? null, audience: storedAudience(audience), workspaceId: db.id };
      const [created] = await tx.insert(campaigns).values(values).returning({ id: campaigns.id });
      if (!created) throw new Error("an insert returned no row");
      return ok(created.id);
    }),
  );
}

/** Drafts; and what is scheduled, but for its audience, which is fixed by then. */
export async function updateCampaign({ db, bell }: CampaignWrites, id: string, change: CampaignChange): Promise<Result<string>> {
  const result = await db.write(async (tx): Promise<Result<string>> => {
    const current = await lockCampaign(tx, db, id);
    if (!current) return refused(noCampaign("input", "id"));
    if (!EDITABLE.includes(current.status)) {
      const message = `The campaign '${current.name}' is ${current.status}; only a draft or a scheduled one can be changed.`;
      return refused({ code: "INVALID_STATE", message, field: ["input", "id"] });
    }
    const problems: UserError[] = [...cleared(change)];
    const given = Object.fromEntries(Object.entries(change).filter(([field, value]) => value !== undefined && (value !== null || CLEARABLE.includes(field))));
    const media = change.media === undefined ? await chosenMedia(tx, db.id, current.mediaId) : change.media;
    const variants = change.variants === undefined ? current.variants : (change.variants ?? []);
    problems.push(...campaignProblems({ ...current, text: current.messageText, ...given, media, variants }));
    if (change.audience && current.status !== "DRAFT") {
      const message = "Its audience was fixed when it was launched. To write to others, cancel it and make another campaign.";
      problems.push({ code: "INVALID_STATE", message, field: ["input", "audience"] });
    } else if (change.audience) {
      const checked = await checkAudience(tx, db, change.audience);
      if (!checked.ok) problems.push(...checked.errors);
    }
    if (problems.length > 0) return refused(...problems);
    const { text, media: _media, variants: _variants, audience, name, ...fields } = given as CampaignChange;
    const values = {
      ...fields,
      ...(name != null && { name: name.trim() }),
      ...(text != null && { messageText: text }),
      ...(change.variants !== undefined && { variants: storedVariants(variants) }),
      ...(change.media !== undefined && { mediaId: media?.id ?? null }),
      ...(audience != null && { audience: storedAudience(audience) }),
    } as Partial<typeof campaigns.$inferInsert>;
    if (Object.keys(values).length > 0) await tx.update(campaigns).set(values).where(and(eq(campaigns.workspaceId, db.id), eq(campaigns.id, id)));
    return ok(id);
  });
  if (result.ok) bell.ring("campaigns"); // its time may have come
  return result;
}

/** What null takes away; elsewhere it is refused. */
const CLEARABLE: readonly string[] = ["startAt", "media", "variants"];

const cleared = (change: CampaignChange): UserError[] =>
  Object.entries(change)
    .filter(([field, value]) => value === null && !CLEARABLE.includes(field))
    .map(([field]) => invalid(`${field} cannot be cleared; leave it out to keep it as it is.`, "input", field));

/** Its test messages stay, without a campaign. */
export async function deleteCampaign({ db, bell }: CampaignWrites, id: string): Promise<Result<string>> {
  const result = await db.write(async (tx): Promise<Result<string>> => {
    const current = await lockCampaign(tx, db, id);
    if (!current) return refused(noCampaign("id"));
    if (current.status !== "DRAFT") {
      const message = `The campaign '${current.name}' is ${current.status}; only a draft can be deleted. What was sent of others stays on record.`;
      return refused({ code: "INVALID_STATE", message, field: ["id"] });
    }
    await cancelTests(tx, id);
    await tx.delete(campaigns).where(and(eq(campaigns.workspaceId, db.id), eq(campaigns.id, id)));
    return ok(id);
  });
  if (result.ok) bell.ring("events");
  return result;
}
