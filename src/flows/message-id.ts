import { createCipheriv, createDecipheriv } from "node:crypto";

/** Message ids are flow ids, enciphered: known before the attempt, so that an acknowledgement finds its flow without an index, also after a
 *  crash. */
export interface MessageIds {
  /** 32 upper-case hexadecimal digits, as WhatsApp's own clients use. */
  messageIdOf(flowId: string): string;
  /** Those of many, in their order. */
  messageIdsOf(flowIds: readonly string[]): string[];
  /** Null where the text is no message id of this installation's form. */
  flowIdOf(messageId: string): string | null;
}

const MESSAGE_ID = /^[0-9A-F]{32}$/;
const DIGITS = 32;

/** `key` has 16 bytes. One block of AES-128: without the key, ids say nothing of the flow's time, which a UUIDv7 would. */
export function createMessageIds(key: Buffer): MessageIds {
  // One for all: without padding, each whole block comes out of it at once and leaves nothing behind. Made anew for each id it was a quarter of what a
  // flow cost this process.
  const cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
  const decipher = createDecipheriv("aes-128-ecb", key, null).setAutoPadding(false);
  const messageIdsOf = (flowIds: readonly string[]): string[] => {
    const blocks = flowIds.join("").replaceAll("-", "");
    // Part of a block would stay inside, and be taken for the beginning of the next id.
    if (blocks.length !== DIGITS * flowIds.length) throw new Error("a flow id is a UUID");
    // All at once: one by one, the calls took ten times what enciphering does.
    const messageIds = cipher.update(blocks, "hex", "hex").toUpperCase();
    return flowIds.map((_, index) => messageIds.slice(index * DIGITS, (index + 1) * DIGITS));
  };
  return {
    messageIdOf: (flowId) => messageIdsOf([flowId])[0] ?? "",
    messageIdsOf,
    flowIdOf(messageId) {
      if (!MESSAGE_ID.test(messageId)) return null;
      return decipher.update(messageId, "hex", "hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    },
  };
}
