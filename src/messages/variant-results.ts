import { sql } from "drizzle-orm";
import type { WorkspaceDb } from "../db/workspace.ts";

export type VariantResult = {
  /** Null for the message's own text. */
  readonly variant: string | null;
  readonly sent: number;
  readonly failed: number;
  readonly delivered: number;
  readonly read: number;
  readonly replied: number;
  readonly optedOut: number;
};

/** What a person does later is no answer to it any more. */
const ANSWER = sql`interval '7 days'`;

const OF = { step: sql`f.step_id`, campaign: sql`f.campaign_id` };

/** What became of each variant of each step or campaign, in the order of `ids`; only those that something was attempted of, by name, the message's own text
 *  first. Without test messages. Counted anew each time: 100,000 messages take a tenth of a second. */
export async function variantResults(db: WorkspaceDb, of: keyof typeof OF, ids: readonly string[]): Promise<VariantResult[][]> {
  const { rows } = await db.read((tx) =>
    tx.execute<VariantResult & { readonly id: string }>(sql`
      SELECT ${OF[of]} AS id, nullif(f.variant, '') AS variant,
             count(*) FILTER (WHERE f.status = 'SENT')::int AS sent, count(*) FILTER (WHERE f.status = 'FAILED')::int AS failed,
             count(f.delivered_at)::int AS delivered, count(f.read_at)::int AS read,
             count(*) FILTER (WHERE f.status = 'SENT' AND l.last_replied_at >= f.sent_at            -- nearly nobody, who need not be looked for
                                AND EXISTS (SELECT FROM replies r WHERE r.lead_id = f.lead_id AND r.at >= date_trunc('second', f.sent_at) AND r.at < f.sent_at + ${ANSWER}))::int AS replied,
             count(*) FILTER (WHERE f.status = 'SENT' AND l.opted_out_at >= f.sent_at AND l.opted_out_at < f.sent_at + ${ANSWER})::int AS "optedOut"
        FROM flows f LEFT JOIN leads l ON l.id = f.lead_id AND l.workspace_id = f.workspace_id
       WHERE f.workspace_id = ${db.id} AND f.variant IS NOT NULL AND ${OF[of]} = ANY (${sql.param([...ids])}::uuid[])
         AND f.lane_id NOT IN (SELECT id FROM lanes WHERE workspace_id = ${db.id} AND is_test)
       GROUP BY ${OF[of]}, f.variant ORDER BY ${OF[of]}, f.variant`),
  );
  const byId = Map.groupBy(rows, ({ id }) => id);
  return ids.map((id) => (byId.get(id) ?? []).map(({ id: _id, ...result }) => result));
}
