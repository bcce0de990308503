import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";

// As it is without what is tested here, which changes them for the whole process.
const plainly = { encrypt: createCipheriv, decrypt: createDecipheriv };
await import("../../../../src/transports/whatsapp/ciphers.ts");

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((value) => Buffer.from(value));

test("those who have imported them by name have others now", () => {
  expect(createCipheriv).not.toBe(plainly.encrypt);
  expect(createDecipheriv).not.toBe(plainly.decrypt);
});

test.prop([bytes(32), bytes(12), fc.uint8Array({ maxLength: 300 })])("encrypts and decrypts as before, with a Buffer or a key object", (key, iv, data) => {
  const encrypted = (create: typeof createCipheriv, by: typeof key | ReturnType<typeof createSecretKey>) => {
    const cipher = create("aes-256-gcm", by, iv);
    return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
  };
  const expected = encrypted(plainly.encrypt, key);
  expect(encrypted(createCipheriv, key)).toEqual(expected);
  expect(encrypted(createCipheriv, createSecretKey(key))).toEqual(expected);
  const decipher = createDecipheriv("aes-256-gcm", key, iv).setAuthTag(expected.subarray(-16));
  expect(Buffer.concat([decipher.update(expected.subarray(0, -16)), decipher.final()])).toEqual(Buffer.from(data));
});
