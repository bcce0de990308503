/** Resolves with the first value of `look` that is not undefined or false; fails, and says what was last seen, where none comes in time. */
export async function eventually<T>(look: () => Promise<T | undefined | false> | T | undefined | false, what: string, withinMs = 15_000): Promise<T> {
  const until = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
