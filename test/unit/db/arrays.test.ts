import { expect, test } from "vitest";
import { textArray } from "../../../src/db/arrays.ts";

test.each([
  [[], "{}"],
  [["a"], '{"a"}'],
  [["a", "b c"], '{"a","b c"}'],
  [[null], "{NULL}"],
  [["a", null, ""], '{"a",NULL,""}'],
  [["NULL", "a,b", "{}"], '{"NULL","a,b","{}"}'],
  [['say "hi"', "back\\slash", '\\"'], '{"say \\"hi\\"","back\\\\slash","\\\\\\""}'],
  [["two\nlines", null, '"'], '{"two\nlines",NULL,"\\""}'],
])("%j is %s to Postgres", (values, literal) => expect(textArray(values)).toBe(literal));
