import {
  Kind,
  Lexer,
  Source,
  TokenKind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from "./connections.ts";
import { MAX_NESTING } from "./storable.ts";

const MAX_DEPTH = 15;
const MAX_ALIASES = 100;
const MAX_ROOT_FIELDS = 30;
const MAX_FIELDS = 2000;
/** Objects that one operation may give, were every page full. */
const MAX_OBJECTS = 50_000;

/** Of a document's text: a list of 1,000 leads written out has about 20,000. */
export const MAX_TOKENS = 50_000;

/** `nesting` counts the selections within one another, `width` the fields at the top, `objects` with the pages multiplied: a page below a page gives one for each of its rows. */
type Measure = { nesting: number; depth: number; width: number; aliases: number; fields: number; objects: number };

const NOTHING: Measure = { nesting: 0, depth: 0, width: 0, aliases: 0, fields: 0, objects: 0 };

/** What introspection's lists have, about: two introspections of the whole schema are allowed, and not a hundred. */
const INTROSPECTED: Readonly<Record<string, number>> = { types: 300, fields: 10, args: 3, inputFields: 10, enumValues: 10, interfaces: 2, possibleTypes: 10, directives: 5 };

/** What is too much about the document, as a sentence; undefined where nothing is. Introspection is as deep as it is: GraphQL's own rule sees to that. */
export function complexityProblem(document: DocumentNode, variables: Readonly<Record<string, unknown>> = {}): string | undefined {
  const fragments = new Map(
    document.definitions.flatMap((each) => (each.kind === Kind.FRAGMENT_DEFINITION ? [[each.name.value, each]] : [])),
  );
  const operations = document.definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION);
  for (const operation of operations) {
    const problem = problemOf(measureOperation(operation, fragments, variables));
    if (problem) return problem;
  }
  return undefined;
}

const NESTED = `The query nests more than ${MAX_NESTING} levels, values and fragments with them. Ask for what lies deeper in another query, and write values flatter.`;

/** What is nested too deeply in a text, before anything walks it: whatever does calls itself for each level, and would end with the stack. */
export function nestingProblem(text: string): string | undefined {
  const lexer = new Lexer(new Source(text));
  let level = 0;
  try {
    for (let token = lexer.advance(), count = 0; token.kind !== TokenKind.EOF && count <= MAX_TOKENS; token = lexer.advance(), count += 1) {
      if (OPENING.has(token.kind)) level += 1;
      else if (CLOSING.has(token.kind)) level -= 1;
      if (level > MAX_NESTING) return NESTED;
    }
  } catch {
    // No GraphQL: the parser says where.
  }
  return undefined;
}

const OPENING: ReadonlySet<string> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const CLOSING: ReadonlySet<string> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

function problemOf({ nesting, depth, width: rootFields, aliases, fields, objects }: Measure): string | undefined {
  if (nesting > MAX_NESTING) return NESTED;
  if (depth > MAX_DEPTH)
    return `The query is ${depth} levels deep; at most ${MAX_DEPTH} are allowed. Ask for what lies deeper in another query.`;
  if (rootFields > MAX_ROOT_FIELDS)
    return `The query has ${rootFields} fields at its root; at most ${MAX_ROOT_FIELDS} are allowed. Send several queries.`;
  if (aliases > MAX_ALIASES) return `The query has ${aliases} aliases; at most ${MAX_ALIASES} are allowed. Send several queries.`;
  if (fields > MAX_FIELDS)
    return `The query has ${fields} fields, fragments worked in; at most ${MAX_FIELDS} are allowed. Send several queries.`;
  if (objects > MAX_OBJECTS) {
    const most = MAX_OBJECTS.toLocaleString("en");
    return `The query could give ${objects.toLocaleString("en")} objects; at most ${most} are allowed. Ask for smaller pages with \`first\`, or for what lies below in another query.`;
  }
  return undefined;
}

function measureOperation(
  operation: OperationDefinitionNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  variables: Readonly<Record<string, unknown>>,
): Measure {
  const defaults = new Map(operation.variableDefinitions?.map(({ variable, defaultValue }) => [variable.name.value, defaultValue]));
  // Each fragment once: those that spread one another twice each would double the work with every level.
  const measured = new Map<string, Measure>();

  const pageSize = ({ arguments: args }: FieldNode): number => {
    const ids = args?.find(({ name }) => name.value === "ids")?.value;
    if (ids) {
      const given = ids.kind === Kind.LIST ? ids.values : ids.kind === Kind.VARIABLE ? variables[ids.name.value] : undefined;
      return Math.min(MAX_PAGE_SIZE, Array.isArray(given) ? Math.max(1, given.length) : DEFAULT_PAGE_SIZE);
    }
    const sizes = (args ?? []).flatMap(({ name, value }) => {
      if (name.value !== "first" && name.value !== "last") return [];
      if (value.kind === Kind.INT) return [Number(value.value)];
      if (value.kind !== Kind.VARIABLE) return [];
      const fallback = defaults.get(value.name.value);
      const size = variables[value.name.value] ?? (fallback?.kind === Kind.INT ? Number(fallback.value) : undefined);
      return typeof size === "number" ? [size] : [];
    });
    return Math.max(1, Math.min(MAX_PAGE_SIZE, ...(sizes.length > 0 ? sizes : [DEFAULT_PAGE_SIZE])));
  };

  const measure = (selectionSet: SelectionSetNode | undefined, isIntrospection: boolean, level: number): Measure => {
    if (!selectionSet) return NOTHING;
    if (level > MAX_NESTING) return { ...NOTHING, nesting: 1 };
    const total = { ...NOTHING, nesting: 1 };
    for (const selection of selectionSet.selections) {
      const part =
        selection.kind === Kind.FIELD
          ? measureField(selection, isIntrospection, level + 1)
          : selection.kind === Kind.INLINE_FRAGMENT
            ? measure(selection.selectionSet, isIntrospection, level + 1)
            : spread(selection.name.value, isIntrospection, level + 1);
      total.nesting = Math.max(total.nesting, part.nesting + 1);
      total.depth = Math.max(total.depth, part.depth);
      total.width += part.width;
      total.aliases += part.aliases;
      total.fields += part.fields;
      total.objects += part.objects;
    }
    return total;
  };

  const measureField = (field: FieldNode, isBelowIntrospection: boolean, level: number): Measure => {
    const isIntrospection = isBelowIntrospection || field.name.value.startsWith("__");
    const below = measure(field.selectionSet, isIntrospection, level);
    const isPage =
      field.selectionSet?.selections.some(
        (each) => each.kind !== Kind.FIELD || each.name.value === "edges" || each.name.value === "nodes",
      ) ?? false;
    const rows = isIntrospection ? (INTROSPECTED[field.name.value] ?? 1) : isPage ? pageSize(field) : 1;
    return {
      nesting: below.nesting,
      depth: isIntrospection ? 0 : below.depth + 1,
      width: 1,
      aliases: below.aliases + (field.alias ? 1 : 0),
      fields: below.fields + 1,
      objects: field.selectionSet ? rows * Math.max(1, below.objects) : 0,
    };
  };

  const spread = (name: string, isIntrospection: boolean, level: number): Measure => {
    const known = measured.get(name);
    if (known) return known;
    // While it is being measured, a fragment that spreads itself (which validation refuses) counts nothing.
    measured.set(name, NOTHING);
    const result = measure(fragments.get(name)?.selectionSet, isIntrospection, level);
    measured.set(name, result);
    return result;
  };

  return measure(operation.selectionSet, false, 1);
}
