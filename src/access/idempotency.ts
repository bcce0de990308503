import { createHash } from "node:crypto";
import { and, eq, sql } from "drizzle-orm";
import { idempotencyKeys } from "../db/tables/workspaces.ts";
import type { Tx } from "../db/workspace.ts";
import { invalid, refused, type Result } from "../lib/errors.ts";

export type IdempotentCall = {
  /** Without one, the mutation runs each time it is called. */
  readonly key: string | null | undefined;
  /** The mutation's name. */
  readonly operation: string;
  readonly input: unknown;
  /** Where the key stands among the mutation's arguments, where not beside them. */
  readonly at?: readonly string[];
};

const BESIDE = ["idempotencyKey"];
export const WITHIN_INPUT = ["input", "idempotencyKey"];

const MAX_KEY_LENGTH = 200;

const workspaceId = sql<string>`current_setting('app.workspace_id')::uuid`;

const own = (key: string) => and(eq(idempotencyKeys.workspaceId, workspaceId), eq(idempotencyKeys.key, key));

const inputHash = (input: unknown): string => createHash("sha256").update(canonical(input)).digest("hex");

/** What a call with this key gave before; null where there was none. */
export async function earlierResult<T>(tx: Tx, { key, operation, input, at = BESIDE }: IdempotentCall): Promise<Result<T> | null> {
  if (key == null) return null;
  if (key === "" || key.length > MAX_KEY_LENGTH) {
    return refused(invalid(`idempotencyKey must have 1 to ${MAX_KEY_LENGTH} characters; a UUID is a good one.`, ...at));
  }
  const [first] = await tx.select().from(idempotencyKeys).where(own(key));
  if (!first) return null;
  if (first.operation === operation && first.inputHash === inputHash(input)) return { ok: true, value: first.result as T };
  return refused({
    code: "CONFLICT",
    message: `The idempotencyKey "${key}" was used before, for ${first.operation} with another input. Use a new key for a new request.`,
    field: at,
  });
}

/** Runs a mutation once for its key, in its own transaction: a repeat gets the first result again, another input is a CONFLICT. A refused
 *  mutation leaves no key behind, for nothing was changed. The result must be plain JSON: ids and counts, to be loaded anew. */
export async function idempotent<T>(tx: Tx, call: IdempotentCall, run: () => Promise<Result<T>>): Promise<Result<T>> {
  const { key, operation, input } = call;
  if (key == null) return run();
  const earlier = await earlierResult<T>(tx, call);
  if (earlier) return earlier;
  // Waits here for a call with the same key that is still under way.
  const inserted = await tx
    .insert(idempotencyKeys)
    .values({ workspaceId, key, operation, inputHash: inputHash(input) })
    .onConflictDoNothing()
    .returning({ key: idempotencyKeys.key });
  if (inserted.length === 0) return idempotent(tx, call, run);
  const result = await run();
  if (result.ok) await tx.update(idempotencyKeys).set({ result: result.value }).where(own(key));
  return result;
}

/** JSON with the keys of objects in order: the order in which a client writes them is no difference. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
