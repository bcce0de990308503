// The workspace's tokens, as its administrators make and revoke them.

import { and, count, desc, eq, inArray, isNull, sql } from "drizzle-orm";
import { apiTokens } from "../db/tables/workspaces.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";
import type { TokenScope } from "./scopes.ts";
import { hashOf, newSecret, shownPrefix } from "./secret.ts";
import type { Access } from "./tokens.ts";

export type ApiToken = Omit<typeof apiTokens.$inferSelect, "hash">;

export const tokensById = (db: WorkspaceDb, ids: readonly string[]): Promise<ApiToken[]> =>
  db.read((tx) =>
    tx
      .select()
      .from(apiTokens)
      .where(and(eq(apiTokens.workspaceId, db.id), inArray(apiTokens.id, [...ids]))),
  );

const MAX_NAME_LENGTH = 100;
/** That are good, or were: all of them are listed at once. */
const MAX_TOKENS = 1000;

/** The newest first, those that are good no longer too. */
export const listTokens = (db: WorkspaceDb): Promise<ApiToken[]> =>
  db.read((tx) => tx.select().from(apiTokens).where(eq(apiTokens.workspaceId, db.id)).orderBy(desc(apiTokens.id)).limit(MAX_TOKENS));

export type NewToken = { readonly name: string; readonly scopes: readonly TokenScope[]; readonly expiresAt?: Date | null | undefined };

/** With its secret, which nobody can ask for again. */
export type CreatedToken = { readonly id: string; readonly secret: string };

export async function createApiToken(db: WorkspaceDb, { name, scopes, expiresAt }: NewToken): Promise<Result<CreatedToken>> {
  const problems = problemsOf(name, scopes);
  if (problems.length > 0) return refused(...problems);
  const secret = newSecret();
  return db.write(async (tx): Promise<Result<CreatedToken>> => {
    const [now] = (await tx.execute<{ isPast: boolean }>(sql`SELECT ${expiresAt ?? null}::timestamptz <= clock_timestamp() AS "isPast"`)).rows;
    if (now?.isPast) return refused(invalid("expiresAt has passed already; choose a later time, or leave it out for a token that does not expire.", "input", "expiresAt"));
    const [present] = await tx.select({ tokens: count() }).from(apiTokens).where(eq(apiTokens.workspaceId, db.id));
    if ((present?.tokens ?? 0) >= MAX_TOKENS) {
      return refused({ code: "LIMIT_EXCEEDED", message: `A workspace has at most ${MAX_TOKENS} tokens, with those that were revoked.`, field: ["input"] });
    }
    const values = { workspaceId: db.id, name: name.trim(), scopes: [...new Set(scopes)], hash: hashOf(secret), prefix: shownPrefix(secret), expiresAt: expiresAt ?? null };
    const [created] = await tx.insert(apiTokens).values(values).returning({ id: apiTokens.id });
    if (!created) throw new Error("an insert returned no row");
    return ok({ id: created.id, secret });
  });
}

function problemsOf(name: string, scopes: readonly TokenScope[]): UserError[] {
  const { length } = name.trim();
  return [
    ...(length < 1 || length > MAX_NAME_LENGTH ? [invalid(`A token's name has 1 to ${MAX_NAME_LENGTH} characters, not ${length}; say what it is for.`, "input", "name")] : []),
    ...(scopes.length === 0 ? [invalid("A token needs at least one scope; READ lets it read and subscribe.", "input", "scopes")] : []),
  ];
}

/** For good, at once: what runs with it ends within half a minute. One that is revoked already stays as it is. */
export async function revokeApiToken(db: WorkspaceDb, access: Access, id: string): Promise<Result<string>> {
  if (id === access.tokenId) {
    return refused({ code: "INVALID_STATE", message: "This is the token that you are using; revoke it with another one, so that you can be sure to have one.", field: ["id"] });
  }
  return db.write(async (tx) => {
    const [found] = await tx
      .select({ id: apiTokens.id })
      .from(apiTokens)
      .where(and(eq(apiTokens.workspaceId, db.id), eq(apiTokens.id, id)));
    if (!found) return refused({ code: "NOT_FOUND", message: "There is no token with this id.", field: ["id"] });
    await tx
      .update(apiTokens)
      .set({ revokedAt: sql`clock_timestamp()` })
      .where(and(eq(apiTokens.id, id), isNull(apiTokens.revokedAt)));
    return ok(id);
  });
}
