import type { WorkspaceDb } from "../db/workspace.ts";
import type { Bell } from "../events/bell.ts";
import { SECOND_MS, type Clock, type Timer } from "../lib/clock.ts";
import { importsById, type LeadImport } from "./import-state.ts";

export type FollowImportOptions = { readonly db: WorkspaceDb; readonly bell: Bell; readonly clock: Clock; readonly signal: AbortSignal };

/** Between two looks without a bell, which is heard only within the process that imports. */
const LOOK_AGAIN_MS = 2 * SECOND_MS;
const SHOW_EVERY_MS = SECOND_MS;

/** The import as it is now, then at most once a second as it goes on, and at once when it is over, which ends the iteration. */
export async function* followImport({ db, bell, clock, signal }: FollowImportOptions, id: string): AsyncGenerator<LeadImport> {
  const heard = createWaiter(bell, clock, signal);
  try {
    let shownAt = -Infinity;
    let shown = "";
    while (!signal.aborted) {
      const [row] = await importsById(db, [id]);
      if (!row) return;
      const now = clock.monotonic();
      const isOver = row.status !== "RUNNING";
      const text = JSON.stringify({ ...row, progressAt: null });
      if (isOver || (text !== shown && now - shownAt >= SHOW_EVERY_MS)) {
        shown = text;
        shownAt = now;
        yield row;
      }
      if (isOver) return;
      await heard.wait(text === shown ? LOOK_AGAIN_MS : SHOW_EVERY_MS - (now - shownAt));
    }
  } finally {
    heard.end();
  }
}

/** Waits for the bell, also for one that rang since the last wait. */
function createWaiter(bell: Bell, clock: Clock, signal: AbortSignal) {
  let rang = false;
  let wake: (() => void) | undefined;
  let timer: Timer | undefined;
  const ring = () => {
    rang = true;
    wake?.();
  };
  const stopListening = bell.listen("imports", ring);
  signal.addEventListener("abort", ring);
  return {
    async wait(ms: number): Promise<void> {
      if (!rang) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          timer = clock.setTimeout(resolve, ms);
        });
      }
      timer?.cancel();
      rang = false;
    },
    end(): void {
      stopListening();
      signal.removeEventListener("abort", ring);
      timer?.cancel();
    },
  };
}
