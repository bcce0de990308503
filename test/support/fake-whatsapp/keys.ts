// Keys as WhatsApp uses them: X25519 for agreements, and XEdDSA signatures by the same key. Everything is made from a seed, so that the same person
// has the same keys after a restart, and OpenSSL does all of it: XEdDSA in JavaScript takes 5 ms a signature, and each new contact needs one.

import { createHash, createPrivateKey, createPublicKey, diffieHellman, type KeyObject, sign, verify } from "node:crypto";

export type KeyPair = { readonly public: Buffer; readonly private: Buffer };

export type SigningKeyPair = KeyPair & { sign(message: Uint8Array): Buffer };

const X25519_PRIVATE = Buffer.from("302e020100300506032b656e04220420", "hex");
const X25519_PUBLIC = Buffer.from("302a300506032b656e032100", "hex");
const ED25519_PRIVATE = Buffer.from("302e020100300506032b657004220420", "hex");
const ED25519_PUBLIC = Buffer.from("302a300506032b6570032100", "hex");

/** In front of a public key wherever Signal names its type. */
const DJB_TYPE = Buffer.from([5]);

export const typed = (publicKey: Uint8Array): Buffer => Buffer.concat([DJB_TYPE, publicKey]);

/** 32 bytes that nobody guesses who does not know them, and that are always the same for the same words. */
export function seedOf(...words: readonly (string | number)[]): Buffer {
  return createHash("sha256").update(words.join("\0")).digest();
}

export function keyPair(seed: Buffer): KeyPair {
  return { private: seed, public: rawPublic(x25519(seed)) };
}

/** The scalar of an Ed25519 key is an X25519 key too, and an Ed25519 signature is an XEdDSA one once it carries the sign of its public point:
 *  https://signal.org/docs/specifications/xeddsa/ turns Montgomery points into Edwards points of sign 0, WhatsApp's clients into the sign given there. */
export function signingKeyPair(seed: Buffer): SigningKeyPair {
  const ed25519 = createPrivateKey({ key: Buffer.concat([ED25519_PRIVATE, seed]), format: "der", type: "pkcs8" });
  const signOfPoint = (rawPublic(ed25519)[31] ?? 0) & 0x80;
  const scalar = createHash("sha512").update(seed).digest().subarray(0, 32);
  return {
    ...keyPair(scalar),
    sign(message) {
      const signature = sign(null, message, ed25519);
      signature[63] = (signature[63] ?? 0) | signOfPoint;
      return signature;
    },
  };
}

export function agree(privateKey: Buffer, publicKey: Uint8Array): Buffer {
  const theirs = createPublicKey({ key: Buffer.concat([X25519_PUBLIC, publicKey]), format: "der", type: "spki" });
  return diffieHellman({ privateKey: x25519(privateKey), publicKey: theirs });
}

/** Whether the owner of this X25519 key has signed it. */
export function isSignedBy(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  const point = edwards(publicKey);
  point[31] = (point[31] ?? 0) | ((signature[63] ?? 0) & 0x80);
  const plain = Buffer.from(signature);
  plain[63] = (plain[63] ?? 0) & 0x7f;
  const key = createPublicKey({ key: Buffer.concat([ED25519_PUBLIC, point]), format: "der", type: "spki" });
  return verify(null, message, key, plain);
}

// A handshake needs each of its two keys twice, and Node takes longer to read one than to agree with it.
const read = new WeakMap<Buffer, KeyObject>();

function x25519(privateKey: Buffer): KeyObject {
  const known = read.get(privateKey);
  if (known) return known;
  const key = createPrivateKey({ key: Buffer.concat([X25519_PRIVATE, privateKey]), format: "der", type: "pkcs8" });
  read.set(privateKey, key);
  return key;
}

function rawPublic(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32);
}

const PRIME = 2n ** 255n - 19n;

/** y = (u - 1) / (u + 1), little-endian as both are. */
function edwards(publicKey: Uint8Array): Buffer {
  const u = BigInt(`0x${littleEndian(publicKey).toString("hex")}`) & (2n ** 255n - 1n);
  const y = ((u - 1n + PRIME) * power(u + 1n, PRIME - 2n)) % PRIME;
  return littleEndian(Buffer.from(y.toString(16).padStart(64, "0"), "hex"));
}

const littleEndian = (bytes: Uint8Array) => Buffer.from(bytes.toReversed());

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base % PRIME, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % PRIME) {
    if (rest & 1n) result = (result * square) % PRIME;
  }
  return result;
}
