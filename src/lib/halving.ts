/** Runs a batch. Where it fails by a fault of its data, it is halved until the bad item stands alone; its place has the error then, and all the
 *  others their results. Any other error (the connection, say) rejects. */
export async function inHalves<T, R>(
  items: readonly T[],
  run: (items: readonly T[]) => Promise<readonly R[]>,
  isDataError: (error: unknown) => boolean,
): Promise<readonly (R | Error)[]> {
  try {
    return await run(items);
  } catch (error) {
    if (!isDataError(error)) throw error;
    if (items.length === 1) return [error instanceof Error ? error : new Error(String(error))];
    const middle = Math.ceil(items.length / 2);
    const first = await inHalves(items.slice(0, middle), run, isDataError);
    return [...first, ...(await inHalves(items.slice(middle), run, isDataError))];
  }
}
