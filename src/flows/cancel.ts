import { and, eq } from "drizzle-orm";
import { flows } from "../db/tables/flows.ts";
import type { Tx } from "../db/workspace.ts";
import { ok, refused, type Result } from "../lib/errors.ts";
import type { FlowWrites } from "./retry.ts";
import { settleFlows } from "./settle.ts";

/** Cancels a flow that is not attempted yet; the lead goes on to the next step. */
export async function cancelFlow(writes: FlowWrites & { readonly minStepDelayHours: number }, id: string): Promise<Result<string>> {
  const { db, bell, minStepDelayHours } = writes;
  const result = await db.write(async (tx): Promise<Result<string>> => {
    // Settling looks for the id alone.
    if (!(await stateOf(tx, db.id, id))) return refused({ code: "NOT_FOUND", message: "There is no flow with this id.", field: ["id"] });
    const settled = await settleFlows(tx.$client, [{ flowId: id, attemptId: null, ending: { kind: "cancelled" } }], minStepDelayHours);
    if (settled.has(id)) return ok(id);
    const state = await stateOf(tx, db.id, id);
    const now = state?.settledAt === null ? "is being attempted" : `is ${state?.status} already`;
    return refused({ code: "INVALID_STATE", message: `The flow ${now}; only one that is not attempted yet can be cancelled.`, field: ["id"] });
  });
  if (result.ok) bell.ring("events");
  return result;
}

async function stateOf(tx: Tx, workspaceId: string, id: string) {
  const [state] = await tx
    .select({ status: flows.status, settledAt: flows.settledAt })
    .from(flows)
    .where(and(eq(flows.workspaceId, workspaceId), eq(flows.id, id)));
  return state;
}
