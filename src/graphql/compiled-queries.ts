// Queries that come again, compiled into functions of their own (JIT). Only those that graphql-jit surely runs as graphql-js does: it reads variables in a way of
// its own, which fails on times and on variables within literals, so that those are left to graphql-js.

import { useGraphQlJit } from "@envelop/graphql-jit";
import { type DocumentNode, type ExecutionArgs, getVariableValues, GraphQLEnumType, type GraphQLSchema, isSpecifiedScalarType, Kind, type OperationDefinitionNode, OperationTypeNode, type TypeNode, visit } from "graphql";
import type { Plugin } from "graphql-yoga";

/** `after`: how often a query must have come before. Not one that comes once: compiling takes milliseconds, and who asks something else each time would have them all. */
export function useCompiledQueries({ after }: { readonly after: number }): Plugin {
  const seen = new WeakMap<DocumentNode, { times: number; readonly query: OperationDefinitionNode | undefined }>();
  const plugin = useGraphQlJit(
    {},
    {
      enableIf(args) {
        const known = seen.get(args.document) ?? { times: 0, query: compilable(args) };
        seen.set(args.document, known);
        // Wrong variables are told of by graphql-js.
        return known.query !== undefined && known.times++ >= after && areVariablesRight(args, known.query);
      },
    },
  );
  return plugin as unknown as Plugin;
}

const areVariablesRight = ({ schema, variableValues }: ExecutionArgs, { variableDefinitions = [] }: OperationDefinitionNode): boolean =>
  getVariableValues(schema, variableDefinitions, variableValues ?? {}).errors === undefined;

/** The query of a document, where it is its only operation. The plugin keeps one function for a document, whichever of its operations is asked for; mutations are
 *  not worth it, and subscriptions are shown in a way of our own. */
function compilable({ document, schema }: ExecutionArgs): OperationDefinitionNode | undefined {
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  const [query] = operations;
  if (operations.length !== 1 || query?.operation !== OperationTypeNode.QUERY) return undefined;
  const isPlain = query.variableDefinitions?.every(({ type }) => isPlainType(schema, type)) ?? true;
  return isPlain && !hasVariablesInLiterals(document) ? query : undefined;
}

function isPlainType(schema: GraphQLSchema, type: TypeNode): boolean {
  if (type.kind !== Kind.NAMED_TYPE) return isPlainType(schema, type.type);
  const named = schema.getType(type.name.value);
  return named instanceof GraphQLEnumType || (named !== undefined && isSpecifiedScalarType(named));
}

function hasVariablesInLiterals(document: DocumentNode): boolean {
  let found = false;
  const look = (literal: object) => void visit(literal as never, { Variable: () => void (found = true) });
  visit(document, { ObjectValue: look, ListValue: look });
  return found;
}
