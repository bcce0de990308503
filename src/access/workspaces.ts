import { eq, inArray } from "drizzle-orm";
import { isSupportedCountry } from "libphonenumber-js/min";
import { apiTokens, workspaces } from "../db/tables/workspaces.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import { invalid, ok, refused, type Result, type UserError } from "../lib/errors.ts";

export type Workspace = Pick<typeof workspaces.$inferSelect, "id" | "name" | "timeZone" | "defaultCountry">;
export type ApiToken = Omit<typeof apiTokens.$inferSelect, "hash">;

/** The caller's own, or none: row-level security shows no other. */
export const workspacesById = (db: WorkspaceDb, ids: readonly string[]): Promise<Workspace[]> =>
  db.read((tx) =>
    tx
      .select()
      .from(workspaces)
      .where(inArray(workspaces.id, [...ids])),
  );

export const tokensById = (db: WorkspaceDb, ids: readonly string[]): Promise<ApiToken[]> =>
  db.read((tx) =>
    tx
      .select()
      .from(apiTokens)
      .where(inArray(apiTokens.id, [...ids])),
  );

type Optional<T> = T | null | undefined;

export type WorkspaceChange = {
  readonly name?: Optional<string>;
  readonly timeZone?: Optional<string>;
  readonly defaultCountry?: Optional<string>;
};

export async function updateWorkspace(db: WorkspaceDb, change: WorkspaceChange): Promise<Result<string>> {
  const problems = problemsOf(change);
  if (problems.length > 0) return refused(...problems);
  const { name, timeZone, defaultCountry } = change;
  const values = {
    ...(name != null && { name: name.trim() }),
    ...(timeZone != null && { timeZone }),
    ...(defaultCountry != null && { defaultCountry }),
  };
  return db.write(async (tx) => {
    if (Object.keys(values).length > 0) await tx.update(workspaces).set(values).where(eq(workspaces.id, db.id));
    return ok(db.id);
  });
}

const MAX_NAME_LENGTH = 200;

function problemsOf({ name, timeZone, defaultCountry }: WorkspaceChange): UserError[] {
  const problems: UserError[] = [];
  if (name !== undefined && (name === null || name.trim() === "" || name.trim().length > MAX_NAME_LENGTH)) {
    problems.push(invalid(`A workspace's name must have 1 to ${MAX_NAME_LENGTH} characters.`, "input", "name"));
  }
  if (timeZone === null) problems.push(invalid("timeZone cannot be cleared; leave it out to keep it as it is.", "input", "timeZone"));
  if (defaultCountry !== undefined && (defaultCountry === null || !isSupportedCountry(defaultCountry))) {
    const message = `"${defaultCountry}" is no country with phone numbers; write its ISO 3166-1 code in capitals, such as MY.`;
    problems.push(invalid(message, "input", "defaultCountry"));
  }
  return problems;
}
