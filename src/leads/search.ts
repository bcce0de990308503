// Which leads match a filter, and how many, among a million. All of it reads `own_leads`: a view of the workspace's own leads, whose owner row-level
// security does not bind. Below row-level security the indexes of triggers, attributes and text lie idle, because their operators are not leakproof.

import { sql, type SQL } from "drizzle-orm";
import { countRows, estimateRows, pageClauses, type Count, type Order, type Page, type Place } from "../db/pages.ts";
import type { Tx } from "../db/workspace.ts";

export type Segment = {
  /** What must hold of a lead, all of it. */
  readonly conditions: SQL;
  /** The part of it that bounds the list in the order of creation. */
  readonly createdWithin: SQL;
  /** That holds of every lead of the workspace. Named, though the view has it: of a workspace that is not known while planning, an average one is taken. */
  readonly everybody: SQL;
  /** Names its leads: there is nothing to be looked for. */
  readonly isListed: boolean;
};

export type FoundLead = { readonly id: string; readonly value: Place[0] };

/** How far a list is read along before all that matches is gathered: a page of fifty is full by then where one lead in forty matches. */
const WALKED = 2000;

/** Where so large a part of all leads matches, walking on is the shorter way, however they are spread: gathering them reads them all. */
const MOST = 0.35;

/** A page of the leads that match, and one more. */
export async function findLeads(tx: Tx, segment: Segment, page: Page, order: Order, isByCreation: boolean): Promise<readonly FoundLead[]> {
  const { where, orderBy, limit, value } = pageClauses(page, order);
  const { conditions, createdWithin, isListed } = segment;
  if (!isListed) {
    // The planner would walk to the end: it takes what matches for evenly spread, whereas like leads came with one import and stand together, mostly far
    // from the list's beginning.
    const within = isByCreation ? createdWithin : sql`true`;
    const walked = await tx.execute<FoundLead>(sql`
      SELECT id, ${value} AS value FROM (SELECT * FROM own_leads AS leads WHERE ${where} AND ${within} ORDER BY ${orderBy} LIMIT ${WALKED}) AS leads
       WHERE ${conditions} ORDER BY ${orderBy} LIMIT ${limit}`);
    if (walked.rows.length === limit) return walked.rows;
  }
  // GREATEST of one value is that value, and in no index: the planner cannot walk along the list after all.
  const unindexed = { ...order, id: sql`greatest(${order.id})`, ...(order.value && { value: sql`greatest(${order.value})` }) };
  const by = (await shareOf(tx, segment)) >= MOST ? orderBy : pageClauses(page, unindexed).orderBy;
  const found = await tx.execute<FoundLead>(sql`SELECT id, ${value} AS value FROM own_leads AS leads WHERE ${conditions} AND ${where} ORDER BY ${by} LIMIT ${limit}`);
  return found.rows;
}

/** How large a part of all leads matches, as the planner has it. */
async function shareOf(tx: Tx, { conditions, everybody, isListed }: Segment): Promise<number> {
  if (isListed) return 0;
  const matching = await estimateRows(tx, sql`SELECT FROM own_leads AS leads WHERE ${conditions}`);
  return matching / (await estimateRows(tx, sql`SELECT FROM own_leads AS leads WHERE ${everybody}`));
}

/** Planned as if all were to be counted, and stopped at what is exact: the planner would otherwise hope to meet so many soon, and read every lead where
 *  two common conditions exclude each other. */
export const countSegment = (tx: Tx, { conditions }: Segment): Promise<Count> =>
  countRows(tx, sql`WITH matching AS MATERIALIZED (SELECT FROM own_leads AS leads WHERE ${conditions}) SELECT FROM matching`);
