// The phone's side of linking by an eight-character code: both make a key of the code, exchange ephemeral keys under it, and agree on a secret that
// nobody in between knows.

import { createCipheriv, createDecipheriv, hkdfSync, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { agree, keyPair, type KeyPair } from "./keys.ts";

const ITERATIONS = 131_072;
const SALT_BYTES = 32;
const CTR_IV_BYTES = 16;
const GCM_IV_BYTES = 12;
const TAG_BYTES = 16;

export interface LinkCode {
  /** To the device: the phone's ephemeral key. */
  readonly wrappedKey: Buffer;
  /** What the device answers holds the secret, if the code was the right one. Throws where it was not. */
  finish(wrappedBundle: Buffer, companionIdentity: Buffer): Buffer;
}

export async function enterLinkCode(code: string, wrappedCompanionKey: Buffer, phoneIdentity: KeyPair): Promise<LinkCode> {
  const companionKey = await unwrap(code, wrappedCompanionKey);
  const ephemeral = keyPair(randomBytes(32));
  return {
    wrappedKey: await wrap(code, ephemeral.public),
    finish(wrappedBundle, companionIdentity) {
      const shared = agree(ephemeral.private, companionKey);
      const salt = wrappedBundle.subarray(0, SALT_BYTES);
      const bundleKey = hkdf(shared, salt, "link_code_pairing_key_bundle_encryption_key");
      const bundle = openBundle(wrappedBundle.subarray(SALT_BYTES), bundleKey);
      if (!bundle.subarray(0, 32).equals(companionIdentity) || !bundle.subarray(32, 64).equals(phoneIdentity.public)) throw new Error("somebody is in between");
      return hkdf(Buffer.concat([shared, agree(phoneIdentity.private, companionIdentity), bundle.subarray(64)]), Buffer.alloc(0), "adv_secret");
    },
  };
}

const keyOfCode = (code: string, salt: Buffer) => promisify(pbkdf2)(code, salt, ITERATIONS, 32, "sha256");

async function wrap(code: string, key: Buffer): Promise<Buffer> {
  const salt = randomBytes(SALT_BYTES);
  const iv = randomBytes(CTR_IV_BYTES);
  const cipher = createCipheriv("aes-256-ctr", await keyOfCode(code, salt), iv);
  return Buffer.concat([salt, iv, cipher.update(key), cipher.final()]);
}

async function unwrap(code: string, wrapped: Buffer): Promise<Buffer> {
  const [salt, iv, sealed] = [wrapped.subarray(0, SALT_BYTES), wrapped.subarray(SALT_BYTES, SALT_BYTES + CTR_IV_BYTES), wrapped.subarray(-32)];
  const decipher = createDecipheriv("aes-256-ctr", await keyOfCode(code, salt), iv);
  return Buffer.concat([decipher.update(sealed), decipher.final()]);
}

function openBundle(sealed: Buffer, key: Buffer): Buffer {
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, GCM_IV_BYTES)).setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(GCM_IV_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    throw new Error("the code is not the one that the device shows");
  }
}

function hkdf(secret: Buffer, salt: Buffer, info: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, salt, info, 32));
}
