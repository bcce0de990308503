import { expect, test } from "vitest";
import { unpooled } from "../../../../src/transports/whatsapp/unpooled.ts";

test("a Buffer that is made within has memory of its own, and one that is made after it comes from the pool again", () => {
  expect(unpooled(() => Buffer.from("key")).buffer.byteLength).toBe(3);
  expect(Buffer.from("key").buffer.byteLength).toBe(Buffer.poolSize);
});

test("also where making it fails", () => {
  expect(() =>
    unpooled(() => {
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(Buffer.from("key").buffer.byteLength).toBe(Buffer.poolSize);
});
