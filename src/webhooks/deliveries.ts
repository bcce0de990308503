// What was posted, what is owed, and having it posted again.

import { and, eq, getTableColumns, inArray, isNull, sql, type SQL } from "drizzle-orm";
import { type Order, type Page, pageClauses, type Slice, slicePage } from "../db/pages.ts";
import { webhookDeliveries, webhookEndpoints } from "../db/tables/webhooks.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import { ok, refused, type Result } from "../lib/errors.ts";
import { notFound } from "./input.ts";
import type { WebhookContent } from "./message.ts";

export type WebhookDelivery = typeof webhookDeliveries.$inferSelect;

export type DeliveryStatus = "PENDING" | "DELIVERED" | "FAILED" | "SKIPPED";

export const deliveriesById = (db: WorkspaceDb, ids: readonly string[]): Promise<WebhookDelivery[]> =>
  db.read((tx) =>
    tx
      .select()
      .from(webhookDeliveries)
      .where(and(eq(webhookDeliveries.workspaceId, db.id), inArray(webhookDeliveries.id, [...ids]))),
  );

export const DELIVERY_ORDER: Order & { readonly name: string } = { name: "ID", id: sql`${webhookDeliveries.id}`, descending: true };

/** The newest first. */
export async function listDeliveries(db: WorkspaceDb, endpointId: string, status: DeliveryStatus | null | undefined, page: Page): Promise<Slice<WebhookDelivery>> {
  const { where, orderBy, limit, value } = pageClauses(page, DELIVERY_ORDER);
  const rows = await db.read((tx) =>
    tx
      .select({ ...getTableColumns(webhookDeliveries), value })
      .from(webhookDeliveries)
      .where(and(eq(webhookDeliveries.workspaceId, db.id), eq(webhookDeliveries.endpointId, endpointId), status ? ofStatus(status) : undefined, where))
      .orderBy(orderBy)
      .limit(limit),
  );
  return slicePage(rows, page);
}

const ofStatus = (status: DeliveryStatus): SQL => (status === "PENDING" ? isNull(webhookDeliveries.settledAt) : eq(webhookDeliveries.outcome, status));

const AGAIN = sql`settled_at = NULL, outcome = NULL, failures = 0, next_attempt_at = clock_timestamp()`;

/** Whatever became of it before, at once, and with all the attempts of a new one. With the id that it has. */
export async function redeliver(db: WorkspaceDb, id: string): Promise<Result<string>> {
  return db.write(async (tx) => {
    const { rows } = await tx.execute(sql`UPDATE webhook_deliveries SET ${AGAIN} WHERE workspace_id = ${db.id} AND id = ${id} RETURNING id`);
    return rows.length === 0 ? refused({ code: "NOT_FOUND", message: "There is no webhook delivery with this id; the list goes back thirty days.", field: ["id"] }) : ok(id);
  });
}

/** What an endpoint is owed goes on, and what was given up since it has taken nothing. */
export const oweAgain = (tx: Tx, workspaceId: string, endpointId: string, failingSince: Date | null) =>
  tx.execute(sql`UPDATE webhook_deliveries SET ${AGAIN} WHERE workspace_id = ${workspaceId} AND endpoint_id = ${endpointId}
                    AND (settled_at IS NULL OR (outcome = 'FAILED' AND settled_at >= ${failingSince}))`);

/** What an endpoint is owed is left out. */
export const skipOwed = (tx: Tx, workspaceId: string, endpointId: string) =>
  tx.execute(sql`UPDATE webhook_deliveries SET settled_at = clock_timestamp(), outcome = 'SKIPPED' WHERE workspace_id = ${workspaceId} AND endpoint_id = ${endpointId} AND settled_at IS NULL`);

export type Redelivered = { readonly endpointId: string; readonly count: number };

/** All that was given up since then. */
export async function redeliverFailed(db: WorkspaceDb, endpointId: string, since: Date): Promise<Result<Redelivered>> {
  return db.write(async (tx) => {
    if (!(await hasEndpoint(tx, db.id, endpointId))) return refused(notFound(["webhookEndpointId"]));
    const { rowCount } = await tx.execute(
      sql`UPDATE webhook_deliveries SET ${AGAIN} WHERE workspace_id = ${db.id} AND endpoint_id = ${endpointId} AND outcome = 'FAILED' AND created_at >= ${since}`,
    );
    return ok({ endpointId, count: rowCount ?? 0 });
  });
}

/** A message that says that it is a test, by the same way as all others. Returns the delivery's id. */
export async function sendTest(db: WorkspaceDb, endpointId: string): Promise<Result<string>> {
  return db.write(async (tx) => {
    if (!(await hasEndpoint(tx, db.id, endpointId))) return refused(notFound(["id"]));
    const content: WebhookContent = { type: "TEST", at: new Date().toISOString() };
    const [created] = await tx
      .insert(webhookDeliveries)
      .values({ workspaceId: db.id, endpointId, eventKey: sql`'test:' || gen_random_uuid()`, content })
      .returning({ id: webhookDeliveries.id });
    if (!created) throw new Error("an insert returned no row");
    return ok(created.id);
  });
}

async function hasEndpoint(tx: Tx, workspaceId: string, id: string): Promise<boolean> {
  const rows = await tx.select({ id: webhookEndpoints.id }).from(webhookEndpoints).where(and(eq(webhookEndpoints.workspaceId, workspaceId), eq(webhookEndpoints.id, id)));
  return rows.length > 0;
}
