import { createCipheriv, createDecipheriv } from "node:crypto";

/** Message ids are flow ids, enciphered: known before the attempt, so that an acknowledgement finds its flow without an index, also after a
 *  crash. */
export interface MessageIds {
  /** 32 upper-case hexadecimal digits, as WhatsApp's own clients use. */
  messageIdOf(flowId: string): string;
  /** Null where the text is no message id of this installation's form. */
  flowIdOf(messageId: string): string | null;
}

const MESSAGE_ID = /^[0-9A-F]{32}$/;

/** `key` has 16 bytes. One block of AES-128: without the key, ids say nothing of the flow's time, which a UUIDv7 would. */
export function createMessageIds(key: Buffer): MessageIds {
  return {
    messageIdOf(flowId) {
      const cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
      return Buffer.concat([cipher.update(flowId.replaceAll("-", ""), "hex"), cipher.final()])
        .toString("hex")
        .toUpperCase();
    },
    flowIdOf(messageId) {
      if (!MESSAGE_ID.test(messageId)) return null;
      const decipher = createDecipheriv("aes-128-ecb", key, null).setAutoPadding(false);
      const hex = Buffer.concat([decipher.update(messageId, "hex"), decipher.final()]).toString("hex");
      return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    },
  };
}
