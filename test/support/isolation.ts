// Tries every place of the schema that takes an id with one of another workspace: what is answered must be what is answered to an id that nobody has.

import { type GraphQLArgument, type GraphQLField, type GraphQLInputField, type GraphQLInputType, type GraphQLNamedType, type GraphQLSchema, getNamedType, isEnumType, isInputObjectType, isListType, isNonNullType, isObjectType } from "graphql";

export type RootKind = "query" | "mutation" | "subscription";

/** Somewhere in the arguments of a root field, an id. */
export type Place = { readonly kind: RootKind; readonly field: string; readonly path: readonly string[]; readonly type: string };

export type Ids = Readonly<Record<string, string>>;

const roots = (schema: GraphQLSchema) =>
  ([["query", schema.getQueryType()], ["mutation", schema.getMutationType()], ["subscription", schema.getSubscriptionType()]] as const).flatMap(([kind, type]) =>
    Object.values(type?.getFields() ?? {}).map((field) => ({ kind, field })),
  );

/** Every place that takes an id, and of which type it has to be. Throws where that cannot be told: a new member of the schema needs a case in `typeOf`. */
export function placesOf(schema: GraphQLSchema): Place[] {
  const types = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type) && type.getInterfaces().some(({ name }) => name === "Node")).map(({ name }) => name);
  const places: Place[] = [];
  for (const { kind, field } of roots(schema)) {
    const visit = (owner: string, of: GraphQLArgument | GraphQLInputField, path: readonly string[], above: readonly string[]) => {
      const named = getNamedType(of.type);
      if (named.name === "ID") for (const type of typeOf(owner, of.name, types)) places.push({ kind, field: field.name, path, type });
      if (!isInputObjectType(named) || above.includes(named.name)) return;
      for (const inner of Object.values(named.getFields())) visit(named.name, inner, [...path, inner.name], [...above, named.name]);
    };
    for (const arg of field.args) visit(field.name, arg, [arg.name], []);
  }
  return places;
}

/** By what the place is called: `leadId` wants a Lead, the `id` of `pauseSequence` a Sequence. The longest name that fits. */
function typeOf(owner: string, name: string, types: readonly string[]): readonly string[] {
  if (owner === "node" || owner === "nodes") return types;
  const special: Readonly<Record<string, string>> = { importId: "LeadImport", preferredDeviceId: "Device", stepId: "SequenceStep", ...(owner === "LeadFilter" && { ids: "Lead" }) };
  const wanted = special[name] ?? longest(types, name === "id" ? owner : name.replace(/Ids?$/, ""));
  if (wanted === undefined) throw new Error(`which type the id ${owner}.${name} is of is not known: the isolation test has no case for it`);
  return [wanted];
}

const longest = (types: readonly string[], text: string) => types.filter((type) => text.toLowerCase().includes(type.toLowerCase())).toSorted((a, b) => b.length - a.length)[0];

/** Where a root field takes a value. */
export type Spot = Pick<Place, "kind" | "field" | "path">;

/** An operation that gives `value` at the place, and at every other one that has to be there an id of the caller's own; and asks for all that it can. */
export function operationAt(schema: GraphQLSchema, place: Spot, value: unknown, own: Ids): { readonly query: string; readonly variables: Record<string, unknown> } {
  const found = roots(schema).find(({ kind, field }) => kind === place.kind && field.name === place.field);
  if (!found) throw new Error(`there is no ${place.kind} ${place.field}`);
  return operationOf(schema, found.kind, found.field, own, { path: place.path, value });
}

/** Every root field with the caller's own ids, those apart that take a file. */
export function operationsOf(schema: GraphQLSchema, own: Ids): { readonly kind: RootKind; readonly field: string; readonly query: string; readonly variables: Record<string, unknown> }[] {
  return roots(schema)
    .filter(({ field }) => !field.args.some(({ type }) => getNamedType(type).name === "File"))
    .map(({ kind, field }) => ({ kind, field: field.name, ...operationOf(schema, kind, field, own) }));
}

type Probe = { readonly path: readonly string[]; readonly value: unknown };

function operationOf(schema: GraphQLSchema, kind: RootKind, field: GraphQLField<unknown, unknown>, own: Ids, probe?: Probe) {
  const types = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type) && type.getInterfaces().some(({ name }) => name === "Node")).map(({ name }) => name);
  const given = field.args.filter((arg) => isNonNullType(arg.type) && arg.defaultValue === undefined || probe?.path[0] === arg.name);
  const variables = Object.fromEntries(given.map((arg) => [arg.name, valueOf(arg.type, { owner: field.name, name: arg.name, own, types, probe: probe?.path[0] === arg.name ? { ...probe, path: probe.path.slice(1) } : undefined })]));
  const declared = given.map((arg) => `$${arg.name}: ${arg.type.toString()}`).join(", ");
  const passed = given.map((arg) => `${arg.name}: $${arg.name}`).join(", ");
  const selection = selectionOf(getNamedType(field.type), 3);
  return { query: `${kind}${declared && `(${declared})`} { ${field.name}${passed && `(${passed})`} ${selection} }`, variables };
}

type Asked = { readonly owner: string; readonly name: string; readonly own: Ids; readonly types: readonly string[]; readonly probe: Probe | undefined };

const VALUES: Readonly<Record<string, unknown>> = {
  String: "isolation",
  Int: 1,
  Float: 1,
  Boolean: true,
  DateTime: "2026-01-01T00:00:00.000Z",
  LocalTime: "09:00",
  TimeZone: "Asia/Kuala_Lumpur",
  PhoneNumber: "+60111234567",
  JSONObject: { city: "Ipoh" },
};
const BY_NAME: Readonly<Record<string, unknown>> = { to: "2026-01-02T00:00:00.000Z", triggers: ["isolation"], trigger: "isolation", text: "Hello" };

function valueOf(type: GraphQLInputType, asked: Asked): unknown {
  if (isNonNullType(type)) return valueOf(type.ofType, asked);
  if (isListType(type)) return [valueOf(type.ofType, asked)].flat();
  if (asked.probe?.path.length === 0) return asked.probe.value;
  if (type.toString() === "ID") return asked.own[typeOf(asked.owner, asked.name, asked.types)[0] ?? ""];
  if (isEnumType(type)) return type.getValues()[0]?.value ?? type.getValues()[0]?.name;
  if (!isInputObjectType(type)) return BY_NAME[asked.name] ?? VALUES[type.toString()];
  const [next] = asked.probe?.path ?? [];
  const fields = Object.values(type.getFields()).filter((field) => (isNonNullType(field.type) && field.defaultValue === undefined) || field.name === next);
  return Object.fromEntries(
    fields.map((field) => [field.name, valueOf(field.type, { ...asked, owner: type.name, name: field.name, probe: asked.probe && field.name === next ? { ...asked.probe, path: asked.probe.path.slice(1) } : undefined })]),
  );
}

/** All that it has, so many levels deep; a list's rows and not their cursors. */
function selectionOf(type: GraphQLNamedType, depth: number): string {
  if (!isObjectType(type)) return type.name === "Node" ? "{ __typename id }" : "";
  const fields = Object.values(type.getFields()).flatMap((field) => {
    const named = getNamedType(field.type);
    if (field.args.some((arg) => isNonNullType(arg.type) && arg.defaultValue === undefined) || ["edges", "pageInfo", "cursor"].includes(field.name)) return [];
    if (!isObjectType(named) && named.name !== "Node") return [field.name];
    if (depth <= 1) return [];
    const page = field.args.some(({ name }) => name === "first") ? "(first: 2)" : "";
    const inner = selectionOf(named, depth - 1);
    return inner === "{ }" ? [] : [`${field.name}${page} ${inner}`];
  });
  return `{ ${fields.join(" ")}${fields.length > 0 ? " " : ""}}`;
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;

/** What is different each time, taken out: two answers are then the same where they say the same. */
export const likeness = (answer: unknown): string =>
  JSON.stringify(answer)
    .replace(UUID, "<id>")
    .replace(TIME, "<time>")
    .replace(/rentak_[\w-]+/g, "<secret>");
