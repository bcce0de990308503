import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { decodeCursor, encodeCursor, type Position } from "../../../src/events/cursor.ts";
import { CursorError } from "../../../src/events/types.ts";

const uuid = fc.uuid();
const snapshot = fc.tuple(fc.bigInt(3n, 2n ** 40n), fc.uniqueArray(fc.bigInt(0n, 1000n), { maxLength: 20 }), fc.bigInt(0n, 1000n)).map(([xmin, open, more]) => {
  const xip = open.toSorted((a, b) => (a < b ? -1 : 1)).map((n) => xmin + n);
  const xmax = (xip.at(-1) ?? xmin) + more + 1n;
  return `${xmin}:${xmax}:${xip.join(",")}`;
});
const position = fc.record({ generation: uuid, seen: snapshot, within: fc.option(fc.record({ until: snapshot, place: fc.record({ xid: fc.bigInt(0n, 2n ** 64n - 1n).map(String), id: uuid, index: fc.nat(999_999_999) }) }), { nil: undefined }) }).map(
  ({ generation, seen, within }): Position => (within ? { generation, seen, within } : { generation, seen }),
);

test.prop([position])("a cursor is the position that it was made of", (at) => {
  expect(decodeCursor(encodeCursor(at), at.generation)).toEqual(at);
});

test.prop([position])("a cursor can stand in an address as it is", (at) => {
  expect(encodeCursor(at)).toMatch(/^[A-Za-z0-9_-]+$/);
});

test.prop([position, uuid])("a cursor of another log is refused", (at, generation) => {
  fc.pre(generation !== at.generation);
  expect(() => decodeCursor(encodeCursor(at), generation)).toThrow(CursorError);
});

test.prop([fc.oneof(fc.string(), fc.base64String()), uuid])("any text is refused, and nothing else is thrown", (text, generation) => {
  expect(() => decodeCursor(text, generation)).toThrow(CursorError);
});

test.prop([position, fc.nat(), fc.string({ minLength: 1, maxLength: 1 })])("a cursor that was changed is refused, or is a well-formed one", (at, place, character) => {
  const cursor = encodeCursor(at);
  const index = place % cursor.length;
  const changed = cursor.slice(0, index) + character + cursor.slice(index + 1);
  try {
    const { seen } = decodeCursor(changed, at.generation);
    const [xmin = "", xmax = "", xip = ""] = seen.split(":");
    const open = xip === "" ? [] : xip.split(",").map(BigInt);
    expect(BigInt(xmin)).toBeLessThanOrEqual(BigInt(xmax));
    expect(open.every((xid, n) => xid >= BigInt(xmin) && xid < BigInt(xmax) && (n === 0 || xid > (open[n - 1] ?? 0n)))).toBe(true);
  } catch (error) {
    expect(error).toBeInstanceOf(CursorError);
  }
});
