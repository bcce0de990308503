import { createRequire } from "node:module";
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { type SignalCrypto, signalCrypto } from "../../../../src/transports/whatsapp/libsignal-modules.ts";
import "../../../../src/transports/whatsapp/signal-crypto.ts";

/** As it is published: the one that is loaded already has been changed. */
const original = (() => {
  const load = createRequire(import.meta.url);
  const path = load.resolve("libsignal/src/crypto.js");
  const inUse = load.cache[path];
  delete load.cache[path];
  const fresh: SignalCrypto = load(path);
  if (inUse) load.cache[path] = inUse;
  return fresh;
})();

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((value) => Buffer.from(value));
const any = fc.uint8Array({ maxLength: 200 }).map((value) => Buffer.from(value));

test("is not what it is compared with", () => {
  expect(signalCrypto.calculateMAC).not.toBe(original.calculateMAC);
});

test.prop([bytes(32), any])("authenticates as libsignal does", (key, data) => {
  expect(signalCrypto.calculateMAC(key, data)).toEqual(original.calculateMAC(key, data));
});

test.prop([fc.uint8Array({ minLength: 1, maxLength: 160 }), bytes(32), any, fc.integer({ min: 1, max: 3 })])("derives secrets as libsignal does", (input, salt, info, count) => {
  expect(signalCrypto.deriveSecrets(Buffer.from(input), salt, info, count)).toEqual(original.deriveSecrets(Buffer.from(input), salt, info, count));
  expect(signalCrypto.deriveSecrets(Buffer.from(input), salt, info)).toEqual(original.deriveSecrets(Buffer.from(input), salt, info));
});

test.prop([bytes(32), bytes(16), any])("encrypts as libsignal does, and decrypts that", (key, iv, data) => {
  const encrypted = signalCrypto.encrypt(key, data, iv);
  expect(encrypted).toEqual(original.encrypt(key, data, iv));
  expect(signalCrypto.decrypt(key, encrypted, iv)).toEqual(data);
});
