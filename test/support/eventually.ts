const SHORTEST_WAIT_MS = 5;
const LONGEST_WAIT_MS = 100;

/** Resolves with the first value of `look` that is not undefined or false; fails, and says what was waited for, where none comes in time. What takes long is
 *  looked at more seldom: asked for every 5 ms, the progress of a large campaign cost as much as its messages. */
export async function eventually<T>(look: () => Promise<T | undefined | false> | T | undefined | false, what: string, withinMs = 15_000): Promise<T> {
  const from = performance.now();
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    const ms = performance.now() - from;
    if (ms > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(SHORTEST_WAIT_MS, ms / 20), LONGEST_WAIT_MS)));
  }
}
