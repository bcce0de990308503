import { createContextCache } from "@pothos/core";
import DataLoader from "dataloader";
import type { ApiContext } from "./context.ts";

/** A loader that batches what one request asks for in one go: one statement, however many rows ask. `load` answers in the order of the keys. */
export function perRequest<Key, Value>(
  load: (keys: readonly Key[], context: ApiContext) => Promise<readonly Value[]>,
): (context: ApiContext) => DataLoader<Key, Value, string> {
  return createContextCache(
    (context: ApiContext) =>
      new DataLoader<Key, Value, string>((keys) => load(keys, context), { cacheKeyFn: (key) => JSON.stringify(key) }),
  );
}

/** A loader for a field with arguments below many parents: one statement for all parents that ask with the same arguments. */
export function perParent<Args, Value>(
  load: (parentIds: readonly string[], args: Args, context: ApiContext) => Promise<ReadonlyMap<string, Value>>,
  none: Value,
): (context: ApiContext, parentId: string, args: Args) => Promise<Value> {
  const loader = perRequest<{ parentId: string; args: Args }, Value>(async (keys, context) => {
    const byArgs = Map.groupBy(keys, ({ args }) => JSON.stringify(args));
    const answers = new Map<string, ReadonlyMap<string, Value>>();
    for (const [text, group] of byArgs) {
      const [{ args }] = group as [(typeof group)[number]];
      answers.set(
        text,
        await load(
          group.map(({ parentId }) => parentId),
          args,
          context,
        ),
      );
    }
    return keys.map(({ parentId, args }) => answers.get(JSON.stringify(args))?.get(parentId) ?? none);
  });
  return (context, parentId, args) => loader(context).load({ parentId, args });
}
