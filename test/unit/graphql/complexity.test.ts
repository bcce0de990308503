import { getIntrospectionQuery, parse } from "graphql";
import { describe, expect, test } from "vitest";
import { complexityProblem, nestingProblem } from "../../../src/graphql/complexity.ts";

const problem = (query: string, variables?: Record<string, unknown>) => complexityProblem(parse(query), variables);
const nested = (levels: number) => `{ ${"a { ".repeat(levels - 1)}a${" }".repeat(levels - 1)} }`;
const times = (count: number, text: (index: number) => string) => Array.from({ length: count }, (_, index) => text(index)).join(" ");

describe("the limits of a query", () => {
  test("let through what a dashboard asks", () => {
    expect(problem("{ sequences(first: 100) { nodes { id enrollments(first: 100) { nodes { id lead { name } } } } } }")).toBeUndefined();
    expect(problem(getIntrospectionQuery())).toBeUndefined();
  });

  test("are its depth", () => {
    expect(problem(nested(15))).toBeUndefined();
    expect(problem(nested(16))).toBe("The query is 16 levels deep; at most 15 are allowed. Ask for what lies deeper in another query.");
  });

  test("are how far it nests, where the depth leaves that out", () => {
    const chain = (length: number) => `{ ...F0 } ${times(length, (n) => `fragment F${n} on Query { ...F${n + 1} }`)} fragment F${length} on Query { a }`;
    expect(problem(chain(90))).toBeUndefined();
    expect(problem(chain(20_000))).toMatch(/^The query nests more than 100 levels/);
    expect(nestingProblem(`{ a(b: ${"[".repeat(98)}${"]".repeat(98)}) }`)).toBeUndefined();
    expect(nestingProblem(`{ a(b: ${"[".repeat(99)}${"]".repeat(99)}) }`)).toMatch(/^The query nests more than 100 levels/);
    expect(nestingProblem(`{ a(b: "${"[".repeat(200)}") }`)).toBeUndefined();
    expect(nestingProblem(`{ "`)).toBeUndefined();
  });

  test("are its aliases and its fields at the root", () => {
    expect(problem(`{ a { ${times(101, (n) => `b${n}: b`)} } }`)).toMatch(/^The query has 101 aliases; at most 100/);
    expect(problem(`{ ${times(31, (n) => `f${n}`)} }`)).toMatch(/^The query has 31 fields at its root; at most 30/);
    expect(problem(`{ ...f } fragment f on Query { ${times(16, (n) => `f${n}`)} ... { ${times(15, (n) => `g${n}`)} } }`)).toMatch(/^The query has 31 fields at its root/);
    expect(problem(`{ a { ${times(101, (n) => `t${n}: __typename`)} } }`)).toMatch(/^The query has 101 aliases/);
  });

  test("let the whole schema be asked for, and not many times over", () => {
    const whole = (times: number) => `{ ${Array.from({ length: times }, (_, n) => `s${n}: __schema { types { ...T } }`).join(" ")} } ${getIntrospectionQuery().replace(/^[^]*?fragment/, "fragment").replace("fragment FullType on", "fragment T on")}`;
    expect(problem(whole(2))).toBeUndefined();
    expect(problem(whole(5))).toMatch(/^The query could give [\d,]+ objects/);
  });

  test("are the objects that it could give, pages multiplied", () => {
    const query = "query Q($n: Int) { a(first: $n) { nodes { b(first: 100) { nodes { c(last: 100) { nodes { id } } } } } } }";
    expect(problem(query, { n: 5 })).toBeUndefined();
    expect(problem(query, { n: 100 })).toMatch(/^The query could give 1,000,000 objects; at most 50,000/);
    expect(problem(query, { n: 1_000_000_000 })).toMatch(/^The query could give 1,000,000 objects/);
    expect(problem(query.replace("$n: Int", "$n: Int = 100"))).toMatch(/^The query could give 1,000,000 objects/);
  });

  test("count the objects that are named by their ids", () => {
    const query = "query Q($ids: [ID!]!) { nodes(ids: $ids) { ... on A { b(first: 100) { nodes { c(first: 10) { nodes { id } } } } } } }";
    const ids = (count: number) => Array.from({ length: count }, (_, n) => `A:${n}`);
    expect(problem(query, { ids: ids(50) })).toBeUndefined();
    expect(problem(query, { ids: ids(51) })).toMatch(/^The query could give 51,000 objects/);
    expect(problem(query.replace("ids: $ids", `ids: ${JSON.stringify(ids(51))}`))).toMatch(/^The query could give 51,000 objects/);
  });

  test("count fragments as if they were written out, however they are nested, in no time", () => {
    const bomb = `{ a { ...f0 } } ${times(40, (n) => `fragment f${n} on T { a ...f${n + 1} ...f${n + 1} }`)} fragment f40 on T { a }`;
    expect(problem(bomb)).toMatch(/fields, fragments worked in/);
  });

  test("stand a fragment that spreads itself, which validation refuses", () => {
    expect(problem("{ ...f } fragment f on T { a ...f }")).toBeUndefined();
  });
});
