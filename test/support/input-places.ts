// Every place of the schema where a caller can write something, and what attackers write there.

import { type GraphQLArgument, type GraphQLInputField, type GraphQLSchema, getNamedType, isInputObjectType, isScalarType } from "graphql";
import type { Spot } from "./isolation.ts";

export type InputPlace = Spot & { readonly scalar: string };

/** Those that take a file apart. */
export function inputPlacesOf(schema: GraphQLSchema): InputPlace[] {
  const places: InputPlace[] = [];
  const roots = [["query", schema.getQueryType()], ["mutation", schema.getMutationType()], ["subscription", schema.getSubscriptionType()]] as const;
  for (const [kind, type] of roots) {
    for (const field of Object.values(type?.getFields() ?? {})) {
      const visit = (of: GraphQLArgument | GraphQLInputField, path: readonly string[], above: readonly string[]) => {
        const named = getNamedType(of.type);
        if (isScalarType(named) && named.name !== "File") places.push({ kind, field: field.name, path, scalar: named.name });
        if (!isInputObjectType(named) || above.includes(named.name)) return;
        for (const inner of Object.values(named.getFields())) visit(inner, [...path, inner.name], [...above, named.name]);
      };
      for (const arg of field.args) visit(arg, [arg.name], []);
    }
  }
  return places;
}

export const INJECTIONS: Readonly<Record<string, string>> = {
  SQL: "'; DROP TABLE leads; --",
  "a pattern of LIKE": "%_\\",
  "a shell command": "$(touch /tmp/owned)`id`|| ping -c 1 127.0.0.1",
  "a line of a log or a header": "x\r\nSet-Cookie: a=b\r\n\r\n{\"level\":60}",
  "a path": "../../../../etc/passwd",
  "a template": "{{constructor.constructor('return process')()}} ${7*7} {a|b",
  "a slow regular expression": `${"a".repeat(5000)}!`,
  "strange characters": "\u202E\u0007\uFEFF\u{1F469}\u200D\u{1F4BB}e\u0301\uFFFE",
  "a name of Object": "__proto__",
  nothing: "",
};

export const NUMBERS: readonly number[] = [2_147_483_647, -2_147_483_648, 0, -1, 1e308, -1e308, 5e-324];

export const TIMES: readonly string[] = [
  "0000-01-01T00:00:00Z",
  "0001-01-01T00:00:00Z",
  "9999-12-31T23:59:59.999Z",
  "0001-01-01T00:00:00+14:00",
  "9999-12-31T23:59:59-12:00",
  "+275760-09-13T00:00:00Z",
  "2026-01-01T00:00:00+99:99",
  "2026-01-01T24:00:00Z",
  "1970-01-01T00:00:00.000000000000000000001Z",
];
