// Other workspaces in the same installation, made by who administers the default one.

import { sql } from "drizzle-orm";
import { DEFAULT_WORKSPACE_ID } from "../db/tables/columns.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import { ok, refused, type Result } from "../lib/errors.ts";
import { hashOf, newSecret, shownPrefix } from "./secret.ts";
import { workspaceProblems } from "./workspaces.ts";

export type NewWorkspace = { readonly name: string; readonly timeZone: string; readonly defaultCountry: string };

/** `secret`: of its first token, an administrator's, which nobody can ask for again. */
export type CreatedWorkspace = { readonly id: string; readonly secret: string };

/** From here on it is seen by its own tokens alone. */
export async function createWorkspace(db: WorkspaceDb, { name, timeZone, defaultCountry }: NewWorkspace): Promise<Result<CreatedWorkspace>> {
  if (db.id !== DEFAULT_WORKSPACE_ID) return refused({ code: "INVALID_STATE", message: "Workspaces are made by an administrator of the default workspace; ask one for it." });
  const problems = workspaceProblems({ name, defaultCountry });
  if (problems.length > 0) return refused(...problems);
  const secret = newSecret();
  return db.write(async (tx) => {
    const { rows } = await tx.execute<{ id: string }>(
      sql`SELECT workspace_id AS id FROM create_workspace(${name.trim()}, ${timeZone}, ${defaultCountry}, ${hashOf(secret)}, ${shownPrefix(secret)})`,
    );
    if (!rows[0]) throw new Error("a workspace that was made is not there");
    return ok({ id: rows[0].id, secret });
  });
}
