// What an event shows is the same for all who ask the same with the same rights: it is read, and put together, once for all of them. When each of a thousand
// subscribers read an event's flow for itself, a thousand reads waited for the connections, and nearly all were told of an error (bench: api).

import { type DocumentNode, execute, type ExecutionArgs, type ExecutionResult, Kind, visit, type ASTNode } from "graphql";
import type { Access } from "../access/tokens.ts";
import { type Clock, SECOND_MS } from "../lib/clock.ts";
import type { ApiContext } from "./context.ts";

/** A subscriber that is behind by more is shown things as they are by then. */
const FRESH_MS = SECOND_MS;

export type Show = (event: unknown) => Promise<ExecutionResult>;

type Shown = { readonly result: Promise<ExecutionResult>; readonly at: number };

/** Returns how a subscription's events are shown. `finish` is applied to each result, once. */
export function createSharedShows(clock: Clock, finish: (result: ExecutionResult) => ExecutionResult): (args: ExecutionArgs) => Show {
  const documentOf = createNumbers();
  const shown = new WeakMap<object, Map<string, Shown>>();
  const contextNow = createContexts();

  const run = async (args: ExecutionArgs, event: unknown): Promise<ExecutionResult> => finish(await execute({ ...args, rootValue: event, contextValue: contextNow(args.contextValue as ApiContext) }));

  return (args) => {
    const used = variablesShown(args.document);
    const variables = Object.entries(args.variableValues ?? {}).filter(([name]) => used.has(name));
    const key = JSON.stringify([documentOf(args.document), args.operationName, variables, rightsOf((args.contextValue as ApiContext).access)]);
    return (event) => {
      if (typeof event !== "object" || event === null) return run(args, event);
      const byKey = shown.get(event) ?? new Map<string, Shown>();
      shown.set(event, byKey);
      const known = byKey.get(key);
      const at = clock.monotonic();
      if (known && at - known.at < FRESH_MS) return known.result;
      const result = run(args, event);
      byKey.set(key, { result, at });
      return result;
    };
  };
}

/** Nothing that an event leads to depends on more of a token, which a test looks after. */
const rightsOf = ({ workspaceId, scopes }: Access): string => `${workspaceId} ${scopes.toSorted().join(" ")}`;

/** One context for what is shown in one turn of the event loop, so that it is read in one go, and a fresh one for the next turn: loaders would show an object as
 *  it was when it was first read. */
function createContexts(): (context: ApiContext) => ApiContext {
  const ofTurn = new Map<string, ApiContext>();
  return (context) => {
    const rights = rightsOf(context.access);
    const known = ofTurn.get(rights);
    if (known) return known;
    // It outlives the subscriber that it was made for.
    const shared = { ...context, signal: new AbortController().signal };
    if (ofTurn.size === 0) setImmediate(() => ofTurn.clear());
    ofTurn.set(rights, shared);
    return shared;
  };
}

/** The variables that what is shown depends on: not those that say which events are wanted, and from where on, which differ from one to the next. */
function variablesShown(document: DocumentNode): ReadonlySet<string> {
  const used = new Set<string>();
  const note = (node: ASTNode) => void visit(node, { Variable: ({ name }) => void used.add(name.value) });
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) note(definition);
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    for (const root of definition.selectionSet.selections) {
      if (root.kind === Kind.FIELD) for (const part of [...(root.directives ?? []), ...(root.selectionSet ? [root.selectionSet] : [])]) note(part);
      else note(root);
    }
  }
  return used;
}

/** A number for each object, by which a key can name it. */
function createNumbers(): (of: object) => number {
  const numbers = new WeakMap<object, number>();
  let count = 0;
  return (of) => {
    const number = numbers.get(of) ?? count++;
    numbers.set(of, number);
    return number;
  };
}
