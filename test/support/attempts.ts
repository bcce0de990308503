// Flows taken by hand through attempt and settle, without a node.

import { randomUUID } from "node:crypto";
import type pg from "pg";
import { type AttemptAnswer, attemptFlows, type AttemptRequest } from "../../src/dispatcher/attempt.ts";
import type { Keepers } from "../../src/dispatcher/claim.ts";
import { isElected } from "../../src/dispatcher/coordinating.ts";
import { joinNodes } from "../../src/dispatcher/membership.ts";
import { type Ending, type Settlement, settleFlows } from "../../src/flows/settle.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { query } from "./factories.ts";

/** A node that may attempt and is the elected one, without anything that runs. Returns its id. */
export async function holdLease(pool: pg.Pool): Promise<string> {
  const options = { pool, clock: systemClock, name: `node ${randomUUID()}`, process: { name: "", isGone: () => true }, capacity: 3000 };
  const { nodeId } = await joinNodes(options);
  await pool.query("UPDATE coordinator SET node_id = NULL");
  await isElected(pool, nodeId);
  return nodeId;
}

export type WaitingFlow = { readonly id: string; readonly lead_id: string; readonly step_id: string; readonly campaign_id: string | null; readonly revision: number; readonly is_rationed: boolean };

/** The workspace's flows that wait in the queue, due or not, in order of their leads. */
export const waitingFlows = (pool: pg.Pool, workspaceId: string): Promise<WaitingFlow[]> =>
  query<WaitingFlow>(
    pool,
    `SELECT f.id, f.lead_id, f.step_id, f.campaign_id, coalesce(s.revision, c.revision) + w.greetings_revision AS revision, w.cap_messages IS NOT NULL OR w.hourly_ceiling IS NOT NULL AS is_rationed
       FROM flows f LEFT JOIN sequences s ON s.id = f.sequence_id LEFT JOIN campaigns c ON c.id = f.campaign_id JOIN workspaces w ON w.id = f.workspace_id
      WHERE f.workspace_id = $1 AND f.queued ORDER BY f.lead_id, f.id`,
    [workspaceId],
  );

export const requestFor = (flow: WaitingFlow, deviceId: string): AttemptRequest => ({
  flowId: flow.id,
  attemptId: randomUUID(),
  deviceId,
  text: `Text of ${flow.id}`,
  variant: null,
  mediaId: null,
  revision: flow.revision,
  isRationed: flow.is_rationed,
  isOfCampaign: flow.campaign_id !== null,
});

/** Attempts flows that nothing hinders. */
export async function attemptAll(pool: pg.Pool, nodeId: string, flows: readonly WaitingFlow[], deviceId: string): Promise<AttemptRequest[]> {
  const requests = flows.map((flow) => requestFor(flow, deviceId));
  const hindered = (await attemptFlows(pool, nodeId, requests)).filter((answer) => !answer.attempted);
  if (hindered.length > 0) throw new Error(`not attempted: ${JSON.stringify(hindered)}`);
  return requests;
}

export const hindranceOf = (answer: AttemptAnswer | undefined): string | null | undefined =>
  answer === undefined ? undefined : answer.attempted ? null : answer.hindrance;

export const accepted = (at = new Date()): Ending => ({ kind: "accepted", at });
export const REFUSED: Ending = { kind: "refused", code: "REJECTED", message: "The other side said no." };
export const UNKNOWN: Ending = { kind: "unknown", message: "Nothing was heard." };

export const settlementsOf = (requests: readonly AttemptRequest[], ending: Ending): Settlement[] =>
  requests.map(({ flowId, attemptId }) => ({ flowId, attemptId, ending }));

/** No device has its people to itself. */
export const NOBODY: Keepers = { free: [], busy: [] };

/** Makes every waiting flow of the workspace due now. */
export const makeDue = (pool: pg.Pool, workspaceId: string) =>
  pool.query("UPDATE flows SET due_at = least(due_at, clock_timestamp() - interval '1 second') WHERE workspace_id = $1 AND queued", [workspaceId]);

/** Attempts and settles, as `ending` says, all that waits, once. Returns the flows. */
export async function sendAll(pool: pg.Pool, nodeId: string, workspaceId: string, deviceId: string, ending: Ending, minStepDelayHours = 0): Promise<WaitingFlow[]> {
  await makeDue(pool, workspaceId);
  const flows = await waitingFlows(pool, workspaceId);
  await settleFlows(pool, settlementsOf(await attemptAll(pool, nodeId, flows, deviceId), ending), minStepDelayHours);
  return flows;
}
