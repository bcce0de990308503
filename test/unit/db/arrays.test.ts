import { expect, test } from "vitest";
import { plainArray, textArray } from "../../../src/db/arrays.ts";

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

test.each([
  [[], "{}"],
  [["a", "b"], "{a,b}"],
  [["a", null, "b"], "{a,NULL,b}"],
  [[null], "{NULL}"],
  [[1, 0, -2], "{1,0,-2}"],
  [[true, false], "{true,false}"],
])("%j is %s, without quotes", (values, literal) => expect(plainArray(values)).toBe(literal));
