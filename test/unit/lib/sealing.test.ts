import { randomBytes } from "node:crypto";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { createNameHash, createSealer, UnsealError } from "../../../src/lib/sealing.ts";

const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
const sealer = createSealer([oldKey]);
const place = "credentials/workspace/device";

describe("what is sealed", () => {
  test.prop([fc.uint8Array({ maxLength: 5000 }), fc.string()])("opens in its place, byte by byte the same", (plain, anyPlace) => {
    expect(sealer.open(sealer.seal(plain, anyPlace), anyPlace)).toEqual(Buffer.from(plain));
  });

  test.prop([fc.string(), fc.string()])("opens in no other place", (one, other) => {
    fc.pre(one !== other);
    const sealed = sealer.seal(Buffer.from("secret"), one);
    expect(() => sealer.open(sealed, other)).toThrow(UnsealError);
  });

  test.prop([fc.nat(), fc.integer({ min: 1, max: 255 })])("does not open once a bit of it is another", (at, change) => {
    const sealed = sealer.seal(Buffer.from("secret"), place);
    sealed.writeUInt8(sealed.readUInt8(at % sealed.length) ^ change, at % sealed.length);
    expect(() => sealer.open(sealed, place)).toThrow(UnsealError);
  });

  test.prop([fc.nat()])("does not open in part", (length) => {
    const sealed = sealer.seal(Buffer.from("secret"), place);
    expect(() => sealer.open(sealed.subarray(0, length % sealed.length), place)).toThrow(UnsealError);
  });

  test("never looks the same twice, and shows nothing of its content", () => {
    const plain = Buffer.alloc(64, "A");
    const [one, other] = [sealer.seal(plain, place), sealer.seal(plain, place)];
    expect(one).not.toEqual(other);
    expect(one.includes("AAAA")).toBe(false);
  });

  test("does not open with another key, and the error does not tell what it was", () => {
    const sealed = sealer.seal(Buffer.from("secret"), place);
    expect(() => createSealer([newKey]).open(sealed, place)).toThrow("sealed with a key that is not known here");
  });
});

describe("after a rotation", () => {
  const rotated = createSealer([newKey, oldKey]);

  test("what the old key sealed opens, and is known to be old", () => {
    const sealed = sealer.seal(Buffer.from("secret"), place);
    expect(rotated.open(sealed, place).toString()).toBe("secret");
    expect(rotated.isCurrent(sealed)).toBe(false);
  });

  test("what is written is sealed with the new key alone", () => {
    const sealed = rotated.seal(Buffer.from("secret"), place);
    expect(rotated.isCurrent(sealed)).toBe(true);
    expect(createSealer([newKey]).open(sealed, place).toString()).toBe("secret");
    expect(() => sealer.open(sealed, place)).toThrow(UnsealError);
  });
});

describe("a key", () => {
  test.each([0, 16, 31, 33])("of %i bytes is refused", (length) => {
    expect(() => createSealer([randomBytes(length)])).toThrow("a key has 32 bytes");
    expect(() => createNameHash(randomBytes(length))).toThrow("a key has 32 bytes");
  });

  test("has to be there", () => {
    expect(() => createSealer([])).toThrow("without a key nothing can be sealed");
  });
});

test("names are hashed to 16 bytes, the same ones each time, others with another key", () => {
  const hash = createNameHash(oldKey);
  expect(hash("session/60123456789.0")).toHaveLength(16);
  expect(createNameHash(oldKey)("session/60123456789.0")).toEqual(hash("session/60123456789.0"));
  expect(hash("session/60123456789.1")).not.toEqual(hash("session/60123456789.0"));
  expect(createNameHash(newKey)("session/60123456789.0")).not.toEqual(hash("session/60123456789.0"));
});
