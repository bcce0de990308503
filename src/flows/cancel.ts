import { sql } from "drizzle-orm";
import type { Tx } from "../db/workspace.ts";
import { ok, refused, type Result } from "../lib/errors.ts";
import { IS_UNDECIDED } from "../sequences/pause.ts";
import type { FlowWrites } from "./retry.ts";
import { settleFlows } from "./settle.ts";

const UNDECIDED = "Which step the flow is of is decided by branches once it is due; cancel it then, or stop the enrolment.";

/** Cancels a flow that is not attempted yet; the lead goes on to the next step. */
export async function cancelFlow(writes: FlowWrites & { readonly minStepDelayHours: number }, id: string): Promise<Result<string>> {
  const { db, bell, minStepDelayHours } = writes;
  const result = await db.write(async (tx): Promise<Result<string>> => {
    // Settling looks for the id alone.
    const before = await stateOf(tx, db.id, id);
    if (!before) return refused({ code: "NOT_FOUND", message: "There is no flow with this id.", field: ["id"] });
    if (before.isUndecided && before.settledAt === null) return refused({ code: "INVALID_STATE", message: UNDECIDED, field: ["id"] });
    const settled = await settleFlows(tx.$client, [{ flowId: id, attemptId: null, ending: { kind: "cancelled" } }], minStepDelayHours);
    if (settled.has(id)) return ok(id);
    const state = await stateOf(tx, db.id, id);
    const now = state?.settledAt === null ? "is being attempted" : `is ${state?.status} already`;
    return refused({ code: "INVALID_STATE", message: `The flow ${now}; only one that is not attempted yet can be cancelled.`, field: ["id"] });
  });
  if (result.ok) bell.ring("events");
  return result;
}

type State = { readonly status: string; readonly settledAt: Date | null; readonly isUndecided: boolean };

async function stateOf(tx: Tx, workspaceId: string, id: string): Promise<State | undefined> {
  const { rows } = await tx.execute<State>(sql`
    SELECT f.status, f.settled_at AS "settledAt", ${sql.raw(IS_UNDECIDED)} AS "isUndecided" FROM flows f WHERE f.workspace_id = ${workspaceId} AND f.id = ${id}`);
  return rows[0];
}
