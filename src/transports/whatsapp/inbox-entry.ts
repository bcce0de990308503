// What was received, as it waits to be worked in.

/** Known of a message before it is decrypted: what its stanza says. */
export type Envelope = {
  readonly messageId: string;
  /** Who wrote it: a jid by phone or by LID. */
  readonly from: string;
  /** The same person's other jid, where the stanza tells it. */
  readonly alternate: string | null;
  /** Seconds since the epoch, by the sender's word. */
  readonly sentAt: number;
};

/** `plaintext` is an encoded `proto.Message`, without the padding. */
export type InboxEntry = Envelope & { readonly plaintext: Buffer };

export const encodeEntry = (entry: InboxEntry): Buffer => Buffer.from(JSON.stringify({ ...entry, plaintext: entry.plaintext.toString("base64") }));

export function decodeEntry(encoded: Buffer): InboxEntry {
  const { plaintext, ...envelope }: Envelope & { plaintext: string } = JSON.parse(encoded.toString());
  return { ...envelope, plaintext: Buffer.from(plaintext, "base64") };
}
