import { earlierResult, idempotent, type IdempotentCall } from "../access/idempotency.ts";
import type { Tx, WorkspaceDb } from "../db/workspace.ts";
import { invalid, ok, refused, type Result } from "../lib/errors.ts";
import { enrolLeads } from "./enrol.ts";
import { loadGraph } from "./graph.ts";
import { sequenceProblems } from "./rules.ts";

/** In one transaction, so that no lock is held for long and sending goes on undisturbed. */
const BATCH = 1000;

/** In one call; more would keep the caller waiting for minutes. */
const MAX_ENROLLED = 100_000;

export type EnrollRequest = {
  readonly sequenceId: string;
  readonly limit: number | null | undefined;
  readonly idempotencyKey: string | null | undefined;
  /** What the leads are chosen by, as the caller wrote it: part of what an idempotency key stands for. */
  readonly filter: unknown;
  /** The leads that match, at most so many. */
  readonly select: (tx: Tx, limit: number) => Promise<Result<readonly string[]>>;
  readonly minStepDelayHours: number;
};

export type EnrollCounts = { readonly enrolled: number; readonly skipped: number };

/** Enrols leads by an operator's own choice, whatever their triggers. A call that breaks off half-way can be repeated: nobody is enrolled
 *  twice. */
export async function enrollMatching(db: WorkspaceDb, request: EnrollRequest): Promise<Result<EnrollCounts>> {
  const { sequenceId, limit, idempotencyKey: key, filter } = request;
  if (limit != null && (limit < 1 || limit > MAX_ENROLLED)) {
    return refused(invalid(`limit must be a number from 1 to ${MAX_ENROLLED.toLocaleString("en")}, not ${limit}.`, "limit"));
  }
  const call: IdempotentCall = { key, operation: "enrollLeads", input: { sequenceId, limit, filter } };
  const earlier = await db.read((tx) => earlierResult<EnrollCounts>(tx, call));
  if (earlier) return earlier;
  const chosen = await db.read((tx) => chooseLeads(tx, db.id, request));
  if (!chosen.ok) return chosen;

  let enrolled = 0;
  for (let start = 0; start < chosen.value.length; start += BATCH) {
    const done = await db.write(async (tx) => ok(await enrolLeads(tx.$client, sequenceId, chosen.value.slice(start, start + BATCH))));
    if (done.ok) enrolled += done.value;
  }
  return db.write((tx) => idempotent(tx, call, async () => ok({ enrolled, skipped: chosen.value.length - enrolled })));
}

async function chooseLeads(tx: Tx, workspaceId: string, request: EnrollRequest): Promise<Result<readonly string[]>> {
  const { sequenceId, limit, select, minStepDelayHours } = request;
  const graph = await loadGraph(tx.$client, workspaceId);
  const sequence = graph.find(({ id }) => id === sequenceId);
  if (!sequence)
    return refused({ code: "NOT_FOUND", message: "There is no sequence with this id that is not archived.", field: ["sequenceId"] });
  const notNow = (message: string) => refused({ code: "INVALID_STATE", message, field: ["sequenceId"] });
  if (sequence.status !== "ACTIVE")
    return notNow(`The sequence '${sequence.name}' is ${sequence.status}; only an ACTIVE one enrols leads. Activate it first.`);
  const [problem] = sequenceProblems(
    sequence,
    graph.filter((other) => other !== sequence),
    { minStepDelayHours },
  );
  if (problem) return notNow(`The sequence '${sequence.name}' enrols nobody until its problems are mended: ${problem.message}`);

  const selected = await select(tx, limit ?? MAX_ENROLLED + 1);
  if (!selected.ok || selected.value.length <= MAX_ENROLLED) return selected;
  const most = MAX_ENROLLED.toLocaleString("en");
  const message = `More than ${most} leads match. Enrol them in parts with \`limit\`, or set the sequence's trigger on them with setLeadTriggers.`;
  return refused({ code: "LIMIT_EXCEEDED", message, field: ["filter"] });
}
