import type { WorkspaceDb } from "../db/workspace.ts";
import type { Watch } from "../lib/watch.ts";
import { type Sequence, sequencesById, sequenceTotals } from "./read.ts";

/** A sequence as it goes on, until it is archived and nobody is in it any more. */
export function followSequence(watch: Watch, db: WorkspaceDb, id: string, signal: AbortSignal): AsyncGenerator<Sequence> {
  return watch(async () => {
    const [sequence] = await sequencesById(db, [id]);
    const [totals] = await sequenceTotals(db, [id]);
    if (!sequence) return null;
    return { value: sequence, sign: [sequence, totals], isOver: sequence.status === "ARCHIVED" && totals?.active === 0 && totals.paused === 0 };
  }, signal);
}
