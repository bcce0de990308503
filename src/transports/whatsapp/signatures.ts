// Signatures by Curve25519 keys (XEdDSA), verified: libsignal 6.0.0 answers false where one is wrong, which Baileys does not look at, and passes over those of
// pre-key bundles altogether. Its JavaScript took 5 to 8 ms for each; OpenSSL takes a tenth of one.
//
// https://signal.org/docs/specifications/xeddsa/: the Montgomery key is turned into the Edwards key, whose sign stands in the signature's last bit.

import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { WA_CERT_DETAILS } from "baileys";
import { LRUCache } from "lru-cache";
import { curve, curve25519 } from "./libsignal-modules.ts";

const P = 2n ** 255n - 19n;
const SIGN_BIT = 0x80;
const KEY_LENGTH = 32;
const SIGNATURE_LENGTH = 64;

/** Whether it is the key's signature of the message. `publicKey` has 32 bytes. */
export function isSignedBy(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== KEY_LENGTH || signature.length !== SIGNATURE_LENGTH) return false;
  const bare = Buffer.from(signature);
  const last = bare.readUInt8(SIGNATURE_LENGTH - 1);
  bare.writeUInt8(last & ~SIGN_BIT, SIGNATURE_LENGTH - 1);
  return verify(null, message, edwardsKey(publicKey, last & SIGN_BIT), bare);
}

/** Those that sign servers' certificates, and people who are written to often. */
const converted = new LRUCache<string, KeyObject>({ max: 500 });

function edwardsKey(montgomery: Uint8Array, signBit: number): KeyObject {
  const name = `${signBit}${Buffer.from(montgomery).toString("base64")}`;
  const known = converted.get(name);
  if (known !== undefined) return known;
  // Numbers stand with their lowest byte first.
  const bytes = Buffer.from(Uint8Array.from(montgomery).toReversed());
  bytes.writeUInt8(bytes.readUInt8(0) & ~SIGN_BIT, 0);
  const u = BigInt(`0x${bytes.toString("hex")}`) % P;
  const y = (((u - 1n + P) % P) * inverse((u + 1n) % P)) % P;
  const x = Buffer.from(Uint8Array.from(Buffer.from(y.toString(16).padStart(2 * KEY_LENGTH, "0"), "hex")).toReversed());
  x.writeUInt8(x.readUInt8(KEY_LENGTH - 1) | signBit, KEY_LENGTH - 1);
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: x.toString("base64url") }, format: "jwk" });
  converted.set(name, key);
  return key;
}

/** 1/value mod P; 0 for 0. */
function inverse(value: bigint): bigint {
  let [r, next] = [P, value];
  let [t, nextT] = [0n, 1n];
  while (next !== 0n) {
    const quotient = r / next;
    [r, next] = [next, r - quotient * next];
    [t, nextT] = [nextT, t - quotient * nextT];
  }
  return value === 0n ? 0n : ((t % P) + P) % P;
}

/** Of certificates: a fake server's, in hexadecimal, in place of WhatsApp's own. */
export function setRootKey(hex: string): void {
  WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(hex, "hex");
}

// Who looks at the answer would go on as before; Baileys only notices a throw.
curve25519.verify = (publicKey, message, signature) => {
  if (!isSignedBy(publicKey, message, signature)) throw new Error("the signature is not the key's");
  return true;
};

const { verifySignature } = curve;
// The fourth argument passes over the signature. libsignal's session builder gives it, so that a server could hand out keys of its own for a person's.
curve.verifySignature = (publicKey, message, signature) => verifySignature(publicKey, message, signature);
