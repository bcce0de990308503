// What a token looks like: a prefix that scanners for leaked secrets can know it by, 256 random bits, and a checksum, so that one that was mistyped or cut
// short is known as such without the database.

import { createHash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";

const PREFIX = "rentak_";
const RANDOM_LENGTH = 43;
const CHECKSUM_LENGTH = 6;

/** The first characters, which are kept and shown to recognise it by. */
const SHOWN_LENGTH = 11;

/** Nothing can be gained by trying 256 random bits, so that a fast hash is enough. */
export const hashOf = (secret: string): Buffer => createHash("sha256").update(secret).digest();

export const shownPrefix = (secret: string): string => secret.slice(0, SHOWN_LENGTH);

function checksumOf(random: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(random));
  return bytes.toString("base64url");
}

export function newSecret(): string {
  const random = randomBytes(32).toString("base64url");
  return `${PREFIX}${random}${checksumOf(random)}`;
}

/** False where it is surely none that was ever given out. Tokens of before had no checksum, and an administrator's own can be anything. */
export function isPlausible(secret: string): boolean {
  const [random, checksum] = [secret.slice(PREFIX.length, PREFIX.length + RANDOM_LENGTH), secret.slice(PREFIX.length + RANDOM_LENGTH)];
  return !secret.startsWith(PREFIX) || checksum.length !== CHECKSUM_LENGTH || checksum === checksumOf(random);
}
