// A workspace's endpoints, as its administrators keep them.

import { and, asc, count, eq, getTableColumns, inArray, isNull, sql } from "drizzle-orm";
import { webhookDeliveries, webhookEndpoints } from "../db/tables/webhooks.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import { encodeCursor } from "../events/cursor.ts";
import type { EventType } from "../events/types.ts";
import { ok, refused, type Result } from "../lib/errors.ts";
import type { Sealer } from "../lib/sealing.ts";
import { oweAgain, skipOwed } from "./deliveries.ts";
import { type EndpointInput, endpointProblems, notFound } from "./input.ts";
import { secretPlace } from "./sealed.ts";
import { newWebhookSecret } from "./signature.ts";

const { sealedSecret: _secret, sealedPrevious: _previous, position: _position, ...shown } = getTableColumns(webhookEndpoints);

export type WebhookEndpoint = Omit<typeof webhookEndpoints.$inferSelect, "sealedSecret" | "sealedPrevious" | "position">;

export type WebhookSettings = {
  /** host:port of servers that may be private all the same: the operator's own. */
  readonly privateHosts: readonly string[];
  /** Of the event log. */
  readonly generation: string;
};

/** What a write needs beside its input. */
export type EndpointWrites = { readonly db: WorkspaceDb; readonly sealer: Sealer; readonly webhooks: WebhookSettings };

const MAX_ENDPOINTS = 20;

export const endpointsById = (db: WorkspaceDb, ids: readonly string[]): Promise<WebhookEndpoint[]> =>
  db.read((tx) =>
    tx
      .select(shown)
      .from(webhookEndpoints)
      .where(and(eq(webhookEndpoints.workspaceId, db.id), inArray(webhookEndpoints.id, [...ids]))),
  );

/** The oldest first. */
export const listEndpoints = (db: WorkspaceDb): Promise<WebhookEndpoint[]> =>
  db.read((tx) => tx.select(shown).from(webhookEndpoints).where(eq(webhookEndpoints.workspaceId, db.id)).orderBy(asc(webhookEndpoints.id)));

/** How many messages are owed to each, in the order of the ids. What still waits in the event log is not among them. */
export async function owedTo(db: WorkspaceDb, ids: readonly string[]): Promise<number[]> {
  const rows = await db.read((tx) =>
    tx
      .select({ id: webhookDeliveries.endpointId, owed: count() })
      .from(webhookDeliveries)
      .where(and(eq(webhookDeliveries.workspaceId, db.id), inArray(webhookDeliveries.endpointId, [...ids]), isNull(webhookDeliveries.settledAt)))
      .groupBy(webhookDeliveries.endpointId),
  );
  const byId = new Map(rows.map(({ id, owed }) => [id, owed]));
  return ids.map((id) => byId.get(id) ?? 0);
}

/** All that its messages are signed with, the newest first. */
export function secretsOf(sealer: Sealer, { workspaceId, endpointId, sealedSecret, sealedPrevious }: SealedSecrets): string[] {
  const place = secretPlace(workspaceId, endpointId);
  return [sealedSecret, ...(sealedPrevious ? [sealedPrevious] : [])].map((sealed) => sealer.open(sealed, place).toString());
}

type SealedSecrets = { readonly workspaceId: string; readonly endpointId: string; readonly sealedSecret: Buffer; readonly sealedPrevious: Buffer | null };

/** With the secret, which is shown this once. */
export type WithSecret = { readonly id: string; readonly secret: string };

type NewEndpoint = { readonly url: string; readonly description?: string | null | undefined; readonly eventTypes: readonly EventType[] };

/** It is told of what happens from now on. */
export async function createEndpoint({ db, sealer, webhooks }: EndpointWrites, input: NewEndpoint): Promise<Result<WithSecret>> {
  const problems = endpointProblems(input, webhooks.privateHosts);
  if (problems.length > 0) return refused(...problems);
  const secret = newWebhookSecret();
  return db.write(async (tx): Promise<Result<WithSecret>> => {
    const [present] = await tx.select({ endpoints: count() }).from(webhookEndpoints).where(eq(webhookEndpoints.workspaceId, db.id));
    if ((present?.endpoints ?? 0) >= MAX_ENDPOINTS) {
      return refused({ code: "LIMIT_EXCEEDED", message: `A workspace has at most ${MAX_ENDPOINTS} webhook endpoints; delete one that is not needed any more.`, field: ["input"] });
    }
    const { id } = await newId(tx);
    await tx.insert(webhookEndpoints).values({
      id,
      workspaceId: db.id,
      url: input.url,
      description: input.description ?? "",
      eventTypes: [...new Set(input.eventTypes)],
      sealedSecret: sealer.seal(Buffer.from(secret), secretPlace(db.id, id)),
      position: await currentPosition(tx, webhooks),
    });
    return ok({ id, secret });
  });
}

/** Known before the row is there: the secret is sealed for it. */
async function newId(tx: Tx): Promise<{ id: string }> {
  const { rows: [row] } = await tx.execute<{ id: string }>(sql`SELECT uuid_v7() AS id`);
  if (!row) throw new Error("Postgres gave no id");
  return row;
}

/** Where the event log ends now. */
async function currentPosition(tx: Tx, { generation }: WebhookSettings): Promise<string> {
  const { rows: [row] } = await tx.execute<{ seen: string }>(sql`SELECT pg_current_snapshot()::text AS seen`);
  if (!row) throw new Error("Postgres gave no snapshot");
  return encodeCursor({ generation, seen: row.seen });
}

export async function updateEndpoint({ db, webhooks }: EndpointWrites, id: string, input: EndpointInput): Promise<Result<string>> {
  const problems = endpointProblems(input, webhooks.privateHosts);
  if (problems.length > 0) return refused(...problems);
  const { url, description, eventTypes } = input;
  return changed(db, id, ["input", "id"], {
    ...(url != null && { url }),
    ...(description !== undefined && { description: description ?? "" }),
    ...(eventTypes != null && { eventTypes: [...new Set(eventTypes)] }),
  });
}

/** Nothing is posted to it until it is enabled again; what happens meanwhile is kept for it. One that is disabled stays as it is. */
export const disableEndpoint = (db: WorkspaceDb, id: string): Promise<Result<string>> =>
  changed(db, id, ["id"], {
    disabledAt: sql`coalesce(disabled_at, clock_timestamp())`,
    disabledReason: sql`coalesce(disabled_reason, 'OPERATOR')`,
  });

/** Goes on where it stood, or with what happens from now on. */
export async function enableEndpoint({ db, webhooks }: EndpointWrites, id: string, skipMissed: boolean): Promise<Result<string>> {
  return db.write(async (tx) => {
    const [endpoint] = await tx
      .select({ failingSince: webhookEndpoints.failingSince, disabledAt: webhookEndpoints.disabledAt })
      .from(webhookEndpoints)
      .where(and(eq(webhookEndpoints.workspaceId, db.id), eq(webhookEndpoints.id, id)))
      .for("update");
    if (!endpoint) return refused(notFound(["id"]));
    if (endpoint.disabledAt === null) return ok(id);
    if (skipMissed) await skipOwed(tx, db.id, id);
    else await oweAgain(tx, db.id, id, endpoint.failingSince);
    const position = skipMissed ? { position: await currentPosition(tx, webhooks) } : {};
    await tx.update(webhookEndpoints).set({ disabledAt: null, disabledReason: null, failingSince: null, ...position }).where(eq(webhookEndpoints.id, id));
    return ok(id);
  });
}

/** Messages are signed with both until the overlap has passed. */
export async function rotateSecret({ db, sealer }: EndpointWrites, id: string, overlapHours: number): Promise<Result<WithSecret>> {
  if (overlapHours < 0 || overlapHours > 720) return refused({ code: "INVALID", message: `overlapHours must be 0 to 720, not ${overlapHours}.`, field: ["overlapHours"] });
  const secret = newWebhookSecret();
  const result = await changed(db, id, ["id"], {
    sealedPrevious: sql`sealed_secret`,
    previousUntil: sql`clock_timestamp() + make_interval(hours => ${overlapHours}::int)`,
    sealedSecret: sealer.seal(Buffer.from(secret), secretPlace(db.id, id)),
  });
  return result.ok ? ok({ id, secret }) : result;
}

/** With all that is owed to it. */
export async function deleteEndpoint(db: WorkspaceDb, id: string): Promise<Result<string>> {
  return db.write(async (tx) => {
    const deleted = await tx
      .delete(webhookEndpoints)
      .where(and(eq(webhookEndpoints.workspaceId, db.id), eq(webhookEndpoints.id, id)))
      .returning({ id: webhookEndpoints.id });
    return deleted.length === 0 ? refused(notFound(["id"])) : ok(id);
  });
}

type Values = Parameters<ReturnType<Tx["update"]>["set"]>[0];

function changed(db: WorkspaceDb, id: string, field: readonly string[], values: Values): Promise<Result<string>> {
  const own = and(eq(webhookEndpoints.workspaceId, db.id), eq(webhookEndpoints.id, id));
  return db.write(async (tx) => {
    const rows = Object.keys(values).length === 0
      ? await tx.select({ id: webhookEndpoints.id }).from(webhookEndpoints).where(own)
      : await tx.update(webhookEndpoints).set(values).where(own).returning({ id: webhookEndpoints.id });
    return rows.length === 0 ? refused(notFound(field)) : ok(id);
  });
}
