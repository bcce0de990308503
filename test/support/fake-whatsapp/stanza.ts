// Stanzas, WhatsApp's binary XML: building them, and looking into them.

import { type BinaryNode, encodeBinaryNode, decodeDecompressedBinaryNode, getBinaryNodeChild } from "baileys";
import * as dictionary from "baileys/lib/WABinary/constants.js";

export type { BinaryNode };

export const SERVER = "@s.whatsapp.net";

export function element(tag: string, attributes: Readonly<Record<string, string | number | undefined>> = {}, content?: BinaryNode["content"]): BinaryNode {
  const attrs: Record<string, string> = {};
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) attrs[name] = String(value);
  return content === undefined ? { tag, attrs } : { tag, attrs, content };
}

export const child = (node: BinaryNode | undefined, tag: string): BinaryNode | undefined => getBinaryNodeChild(node, tag);

export function children(node: BinaryNode | undefined, tag?: string): readonly BinaryNode[] {
  if (!Array.isArray(node?.content)) return [];
  return tag === undefined ? node.content : node.content.filter((inner) => inner.tag === tag);
}

/** The bytes in it; none where it has none. */
export function bytesOf(node: BinaryNode | undefined): Buffer {
  const content = node?.content;
  if (content === undefined || Array.isArray(content)) return Buffer.alloc(0);
  return typeof content === "string" ? Buffer.from(content) : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
}

export const numberOf = (node: BinaryNode | undefined): number => {
  const bytes = bytesOf(node);
  return bytes.length === 0 ? 0 : bytes.readUIntBE(0, bytes.length);
};

export function bigEndian(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}

export const seconds = (): number => Math.floor(Date.now() / 1000);

export const encode = (node: BinaryNode): Buffer => encodeBinaryNode(node);

/** The first byte says whether the rest is compressed, which clients never do. */
export const decode = (bytes: Buffer): BinaryNode => decodeDecompressedBinaryNode(bytes.subarray(1), dictionary);
