// What clients depend on stays: the printed schema against the one that was published. A change that breaks them is made by changing schema/published.graphql
// as well, and by saying so in the changelog.

import { readFileSync } from "node:fs";
import { buildSchema, findBreakingChanges, type GraphQLSchema, isEnumType, isInputObjectType, isInterfaceType, isObjectType } from "graphql";
import { expect, test } from "vitest";

const read = (name: string) => buildSchema(readFileSync(new URL(`../../../schema/${name}.graphql`, import.meta.url), "utf8"));

/** Every default that a client relies on who leaves the argument or field out; graphql-js does not compare those of input fields. */
function defaultsOf(schema: GraphQLSchema): Map<string, string> {
  const given = Object.values(schema.getTypeMap())
    .filter(({ name }) => !name.startsWith("__"))
    .flatMap((type) => {
      if (isInputObjectType(type)) return Object.values(type.getFields()).map((field) => [`${type.name}.${field.name}`, field.defaultValue] as const);
      if (isObjectType(type)) return Object.values(type.getFields()).flatMap((field) => field.args.map((arg) => [`${type.name}.${field.name}(${arg.name}:)`, arg.defaultValue] as const));
      return [];
    });
  return new Map(given.filter(([, value]) => value !== undefined).map(([place, value]) => [place, JSON.stringify(value)]));
}

function breaks(published: GraphQLSchema, printed: GraphQLSchema): string[] {
  const now = defaultsOf(printed);
  const defaults = [...defaultsOf(published)].filter(([place, value]) => now.get(place) !== value).map(([place, value]) => `${place} has no longer the default ${value}.`);
  return [...findBreakingChanges(published, printed).map(({ description }) => description), ...defaults];
}

test("the schema breaks nothing that was published", () => {
  expect(breaks(read("published"), read("schema"))).toEqual([]);
});

test.each([
  ["type Query { a: Int b: Int }", "type Query { a: Int }", "Query.b was removed."],
  ["type Query { a(n: Int): Int }", "type Query { a(n: Int!): Int }", "Query.a arg n has changed type from Int to Int!."],
  ["type Query { a(i: I): Int } input I { n: Int = 1 }", "type Query { a(i: I): Int } input I { n: Int = 2 }", "I.n has no longer the default 1."],
])("%s and then %s is seen", (before, after, what) => {
  expect(breaks(buildSchema(before), buildSchema(after))).toEqual([what]);
});

/** What is new: types, members of types that were there, and arguments of fields that were. */
function additions(published: GraphQLSchema, printed: GraphQLSchema): string[] {
  const known = new Set(membersOf(published));
  const knownTypes = new Set(Object.keys(published.getTypeMap()));
  return membersOf(printed).filter((place) => {
    const [type = "", member] = place.split(".");
    // The fields of a type that is new come with it.
    return !known.has(place) && (member === undefined || knownTypes.has(type));
  });
}

function membersOf(schema: GraphQLSchema): string[] {
  return Object.values(schema.getTypeMap())
    .filter(({ name }) => !name.startsWith("__"))
    .flatMap((type) => {
      if (isEnumType(type)) return [type.name, ...type.getValues().map(({ name }) => `${type.name}.${name}`)];
      if (isInputObjectType(type)) return [type.name, ...Object.keys(type.getFields()).map((name) => `${type.name}.${name}`)];
      if (!isObjectType(type) && !isInterfaceType(type)) return [type.name];
      return [type.name, ...Object.values(type.getFields()).flatMap(({ name, args }) => [`${type.name}.${name}`, ...args.map((arg) => `${type.name}.${name}.${arg.name}`)])];
    });
}

const changelog = readFileSync(new URL("../../../schema/CHANGELOG.md", import.meta.url), "utf8");
const unreleased = changelog.slice(changelog.indexOf("## Unreleased"), changelog.indexOf("## 0."));

/** Inputs, payloads and pages belong to the field that they came with. */
const isNamed = (place: string) => {
  const [type = "", member = type] = place.split(".");
  return unreleased.includes(`\`${member}\``) || (place === type && /(Input|Payload|Connection|Edge|Status|Reason|Type)$/.test(type));
};

test("the changelog of the schema names what is new", () => {
  expect(additions(read("published"), read("schema")).filter((place) => !isNamed(place))).toEqual([]);
  const [before, after] = ["type Query { a: Int } enum E { X }", "type Query { a(n: Int): Int b: T } enum E { X Y } type T { c: Int }"].map((text) => buildSchema(text)) as [GraphQLSchema, GraphQLSchema];
  expect(additions(before, after)).toEqual(["Query.a.n", "Query.b", "E.Y", "T"]);
});
