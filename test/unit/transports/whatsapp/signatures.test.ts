import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { fc, test } from "@fast-check/vitest";
import { Curve, generateSignalPubKey, makeNoiseHandler, proto, WA_CERT_DETAILS } from "baileys";
import { afterEach, describe, expect, vi } from "vitest";
import { curve } from "../../../../src/transports/whatsapp/libsignal-modules.ts";
import { isSignedBy, setRootKey } from "../../../../src/transports/whatsapp/signatures.ts";
import { silentLogger } from "../../../../src/transports/whatsapp/silent-logger.ts";
import { serverIdentity } from "../../../support/fake-whatsapp/certificates.ts";
import { signingKeyPair } from "../../../support/fake-whatsapp/keys.ts";
import { createNoise, INTRO } from "../../../support/fake-whatsapp/noise.ts";

// curve25519-js takes some milliseconds for each.
vi.setConfig({ testTimeout: 60_000 });

/** curve25519-js as it is published: the one that is loaded already has been put right. */
const original = (() => {
  const load = createRequire(import.meta.url);
  const path = load.resolve("curve25519-js");
  const inUse = load.cache[path];
  delete load.cache[path];
  const fresh = load(path) as { verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean; sign(key: Uint8Array, message: Uint8Array): Uint8Array };
  if (inUse) load.cache[path] = inUse;
  return fresh;
})();

const seed = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const message = fc.uint8Array({ maxLength: 200 });

/** One byte is another. */
const tampered = (bytes: Uint8Array, at: number, change: number) => Buffer.from(bytes).map((byte, index) => (index === at % bytes.length ? byte ^ change : byte));

describe("a signature", () => {
  test.prop([seed, message, fc.nat(), fc.integer({ min: 1, max: 255 })], { numRuns: 40 })("is judged as curve25519-js judges it", (secret, text, at, change) => {
    const signer = signingKeyPair(secret);
    const signature = signer.sign(text);
    expect(isSignedBy(signer.public, text, signature)).toBe(true);
    expect(original.verify(signer.public, text, signature)).toBe(true);
    for (const [key, body, signed] of [
      [tampered(signer.public, at, change), text, signature],
      [signer.public, Buffer.concat([text, Buffer.of(change)]), signature],
      [signer.public, text, tampered(signature, at, change)],
    ] as const) {
      expect(isSignedBy(key, body, signed)).toBe(original.verify(key, body, signed));
    }
  });

  test.prop([seed, message], { numRuns: 20 })("that curve25519-js made is the key's", (secret, text) => {
    const { public: publicKey } = signingKeyPair(secret);
    const scalar = signingKeyPair(secret).private;
    expect(isSignedBy(publicKey, text, original.sign(scalar, text))).toBe(true);
  });

  test.prop([fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ minLength: 64, maxLength: 64 }), message])("of noise is nobody's, and throws nothing", (key, signature, text) => {
    expect(isSignedBy(key, text, signature)).toBe(false);
  });

  test.each([0, 1, 2 ** 31])("by a key that is no point is nobody's: %i", (u) => {
    const key = Buffer.alloc(32);
    key.writeUInt32LE(u);
    expect(isSignedBy(key, Buffer.from("text"), Buffer.alloc(64))).toBe(false);
    expect(isSignedBy(Buffer.alloc(32, 0xff), Buffer.from("text"), Buffer.alloc(64))).toBe(false);
  });

  test("of another length is nobody's", () => {
    const signer = signingKeyPair(randomBytes(32));
    const text = Buffer.from("text");
    expect(isSignedBy(signer.public, text, signer.sign(text).subarray(1))).toBe(false);
    expect(isSignedBy(signer.public.subarray(1), text, signer.sign(text))).toBe(false);
  });
});

describe("Baileys", () => {
  const signer = signingKeyPair(randomBytes(32));
  const text = Buffer.from("text");

  test("hears of a signature that is wrong", () => {
    expect(Curve.verify(signer.public, text, signer.sign(text))).toBe(true);
    expect(Curve.verify(signer.public, Buffer.from("test"), signer.sign(text))).toBe(false);
  });

  test("passes over none of a bundle of keys", () => {
    const key = generateSignalPubKey(signer.public);
    expect(curve.verifySignature(key, text, signer.sign(text), true)).toBe(true);
    expect(() => curve.verifySignature(key, Buffer.from("test"), signer.sign(text), true)).toThrow("the signature is not the key's");
  });
});

describe("a server", () => {
  const whatsapp = WA_CERT_DETAILS.PUBLIC_KEY;
  afterEach(() => setRootKey(whatsapp.toString("hex")));

  /** The client's first half of the handshake with it; throws where it does not believe it. */
  function greet(server: ReturnType<typeof serverIdentity>): void {
    const keyPair = Curve.generateKeyPair();
    const client = makeNoiseHandler({ keyPair, NOISE_HEADER: INTRO, logger: silentLogger });
    const hello = proto.HandshakeMessage.encode({ clientHello: { ephemeral: keyPair.public } }).finish();
    client.processHandshake(proto.HandshakeMessage.decode(createNoise(server).greet(Buffer.from(hello))), Curve.generateKeyPair());
  }

  test("with certificates of the root is believed", () => {
    const server = serverIdentity("test");
    setRootKey(server.rootKey);
    expect(() => greet(server)).not.toThrow();
  });

  test("with certificates of another root is refused", () => {
    const forged = serverIdentity("test", { isForged: true });
    setRootKey(forged.rootKey);
    expect(() => greet(forged)).toThrow("noise intermediate certificate signature invalid");
  });

  test("with a key that its certificates do not name is refused", () => {
    const [server, other] = [serverIdentity("test"), serverIdentity("other")];
    setRootKey(server.rootKey);
    const chain = proto.CertChain.decode(server.chain);
    const theirs = proto.CertChain.decode(other.chain);
    const mixed = Buffer.from(proto.CertChain.encode({ intermediate: chain.intermediate ?? null, leaf: theirs.leaf ?? null }).finish());
    expect(() => greet({ ...server, chain: mixed })).toThrow("noise certificate signature invalid");
  });

  test("is WhatsApp's by default, and no fake one", () => {
    expect(() => greet(serverIdentity("test"))).toThrow("noise intermediate certificate signature invalid");
  });
});
