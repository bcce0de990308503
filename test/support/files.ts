// Small files of each type that can be sent: real ones as far as their types are told by.

import { randomBytes } from "node:crypto";

const padded = (head: Buffer, bytes: number) => Buffer.concat([head, randomBytes(Math.max(0, bytes - head.length))]);

export const png = (bytes = 200) =>
  padded(Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==", "base64"), bytes);
export const jpeg = (bytes = 200) => padded(Buffer.from("ffd8ffe000104a46494600010100000100010000", "hex"), bytes);
export const mp4 = (bytes = 200) => padded(Buffer.from("000000206674797069736f6d0000020069736f6d69736f32617663316d703431", "hex"), bytes);
export const mp3 = (bytes = 2000) => padded(Buffer.from("fffb9064", "hex"), bytes);
export const pdf = (bytes = 200) => padded(Buffer.from("%PDF-1.7\n%\xE2\xE3\xCF\xD3\n", "latin1"), bytes);
export const executable = (bytes = 200) => padded(Buffer.from("7f454c46020101000000000000000000", "hex"), bytes);

/** An Ogg file with Opus of 20 ms: a head, a comment, and one packet of silence. */
export function voiceNote(): Buffer {
  const head = Buffer.concat([Buffer.from("OpusHead"), Buffer.from("0101380180bb0000000000", "hex")]);
  const tags = Buffer.concat([Buffer.from("OpusTags"), Buffer.from("040000007465737400000000", "hex")]);
  return Buffer.concat([oggPage(head, 0, 2, 0n), oggPage(tags, 1, 0, 0n), oggPage(Buffer.from("f8fffe", "hex"), 2, 4, 960n)]);
}

function oggPage(packet: Buffer, number: number, flags: number, position: bigint): Buffer {
  const page = Buffer.alloc(28 + packet.length);
  page.write("OggS", 0);
  page.writeUInt8(flags, 5);
  page.writeBigUInt64LE(position, 6);
  page.writeUInt32LE(1, 14);
  page.writeUInt32LE(number, 18);
  page.writeUInt8(1, 26);
  page.writeUInt8(packet.length, 27);
  packet.copy(page, 28);
  page.writeUInt32LE(oggChecksum(page), 22);
  return page;
}

function oggChecksum(bytes: Buffer): number {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) sum = sum & 0x80000000 ? (sum << 1) ^ 0x04c11db7 : sum << 1;
  }
  return sum >>> 0;
}
