// Sealed bytes: nobody reads or changes them without the key, and they open only in the place that they were sealed for.
//
// version (1) | key (4) | nonce (12) | ciphertext | tag (16), by AES-256-GCM. `place` names the row and what it holds; it is bound in, so that the bytes of
// one device or key do not open as another's.
//
// Rotation: put the new key before the old one. What is written from then on is sealed with the new one; once everything has been sealed anew the old one
// can go. Names are hashed with a key of their own, which stays: hashed with one that changes, none would be found again.

import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from "node:crypto";

export interface Sealer {
  seal(plain: Uint8Array, place: string): Buffer;
  /** Throws UnsealError where it was sealed with a key that is not known, for another place, or has been changed. */
  open(sealed: Uint8Array, place: string): Buffer;
  /** Whether it need not be sealed anew before the older keys may go. */
  isCurrent(sealed: Uint8Array): boolean;
}

/** Its message tells neither the place nor anything of the content. */
export class UnsealError extends Error {
  override name = "UnsealError";
}

export const KEY_BYTES = 32;

/** A key as it is written down, in hexadecimal or base64. Undefined where it is none. */
export function parseKey(text: string): Buffer | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, "base64") : undefined;
}

const VERSION = 1;
const KEY_ID_END = 5;
const NONCE_END = 17;
const TAG_BYTES = 16;
const OVERHEAD_BYTES = NONCE_END + TAG_BYTES;

// Keys are key objects: Node takes 5 µs with them for what takes it 45 with a Buffer.
type SealingKey = { readonly id: Buffer; readonly secret: KeyObject };

/** Keys of 32 bytes, at least one: the first seals, all open. */
export function createSealer(keys: readonly Uint8Array[]): Sealer {
  const known = keys.map(sealingKey);
  const current = known[0];
  if (current === undefined) throw new Error("without a key nothing can be sealed");
  const header = Buffer.concat([Buffer.of(VERSION), current.id]);

  return {
    seal(plain, place) {
      const nonce = randomBytes(NONCE_END - KEY_ID_END);
      const cipher = createCipheriv("aes-256-gcm", keyOf(current, place), nonce);
      cipher.setAAD(header);
      return Buffer.concat([header, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed, place) {
      const key = sealed.length < OVERHEAD_BYTES || sealed[0] !== VERSION ? undefined : known.find(({ id }) => id.equals(sealed.subarray(1, KEY_ID_END)));
      if (key === undefined) throw new UnsealError("sealed with a key that is not known here");
      const decipher = createDecipheriv("aes-256-gcm", keyOf(key, place), sealed.subarray(KEY_ID_END, NONCE_END), { authTagLength: TAG_BYTES });
      decipher.setAAD(sealed.subarray(0, KEY_ID_END));
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      try {
        return Buffer.concat([decipher.update(sealed.subarray(NONCE_END, -TAG_BYTES)), decipher.final()]);
      } catch {
        // Without OpenSSL's words, which say less: of an error with a cause, the log keeps what the cause says.
        throw new UnsealError("sealed for another place, or changed since");
      }
    },
    isCurrent: (sealed) => sealed.length >= OVERHEAD_BYTES && header.equals(sealed.subarray(0, KEY_ID_END)),
  };
}

/** Hashes names that must not be read in the database, such as phone numbers: the same name always gives the same 16 bytes. */
export type NameHash = (name: string) => Buffer;

export function createNameHash(key: Uint8Array): NameHash {
  const secret = createSecretKey(derive(key, "names"));
  return (name) => createHmac("sha256", secret).update(name).digest().subarray(0, 16);
}

const sealingKey = (key: Uint8Array): SealingKey => ({ id: derive(key, "key id").subarray(0, KEY_ID_END - 1), secret: createSecretKey(derive(key, "places")) });

function derive(key: Uint8Array, purpose: string): Buffer {
  if (key.length !== KEY_BYTES) throw new Error(`a key has ${KEY_BYTES} bytes`);
  return Buffer.from(hkdfSync("sha256", key, "", `rentak ${purpose}`, KEY_BYTES));
}

/** Each place has a key of its own. With one for all, random nonces of 12 bytes are safe for 2^32 messages, which a fleet writes in some months; a row is
 *  written anew a few million times at most. It also is what binds the place in. */
const keyOf = ({ secret }: SealingKey, place: string) => createSecretKey(createHmac("sha256", secret).update(place).digest());
