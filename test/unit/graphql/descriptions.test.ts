// Whoever reads the schema in GraphiQL is told what everything in it means.

import { buildSchema, type GraphQLSchema, isEnumType, isInputObjectType, isInterfaceType, isObjectType, isSpecifiedScalarType } from "graphql";
import { expect, test } from "vitest";
import { schema } from "../../../src/graphql/schema.ts";

type Described = { readonly name: string; readonly description?: string | null | undefined };

/** Every type and member: Type, Type.member, Type.field(argument:). */
function everythingIn(of: GraphQLSchema): [string, Described][] {
  return Object.values(of.getTypeMap())
    .filter((type) => !type.name.startsWith("__") && !isSpecifiedScalarType(type))
    .flatMap((type) => {
      const members: [string, Described][] = [[type.name, type]];
      if (isEnumType(type)) members.push(...type.getValues().map((value): [string, Described] => [`${type.name}.${value.name}`, value]));
      if (isInputObjectType(type)) members.push(...Object.values(type.getFields()).map((field): [string, Described] => [`${type.name}.${field.name}`, field]));
      if (isObjectType(type) || isInterfaceType(type)) {
        for (const field of Object.values(type.getFields())) {
          members.push([`${type.name}.${field.name}`, field], ...field.args.map((arg): [string, Described] => [`${type.name}.${field.name}(${arg.name}:)`, arg]));
        }
      }
      return members;
    });
}

const placesOf = (of: GraphQLSchema, isMeant: (description: string) => boolean) => everythingIn(of).flatMap(([place, { description }]) => (isMeant(description?.trim() ?? "") ? [place] : []));

const undescribed = (of: GraphQLSchema) => placesOf(of, (description) => description === "");

test("everything in the schema is described", () => {
  expect(undescribed(schema)).toEqual([]);
});

test("a description is a sentence that ends", () => {
  expect(placesOf(schema, (description) => !/[.…]$/.test(description))).toEqual([]);
});

test.each([
  ["type Query { a: Int }", ["Query", "Query.a"]],
  ['"Q." type Query { "A." a("N." n: Int, m: Int): Int }', ["Query.a(m:)"]],
  ['"Q." type Query { "A." a: Int b: Int }', ["Query.b"]],
  ['"Q." type Query { "A." a("I." i: I): Int } "I." input I { n: Int }', ["I.n"]],
  ['"Q." type Query { "A." a: E } "E." enum E { X "Y." Y }', ["E.X"]],
  ['"Q." type Query { "A." a: N } "N." interface N { id: ID }', ["N.id"]],
  ['"Q." type Query { "A." a: S } scalar S', ["S"]],
  ['"Q." type Query { "A." a: Int }', []],
])("in %s is found what lacks one", (text, missing) => {
  expect(undescribed(buildSchema(text))).toEqual(missing);
});
