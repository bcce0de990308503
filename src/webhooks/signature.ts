// Signatures by the Standard Webhooks specification, version 1: HMAC-SHA256 over the id, the time and the body.

import { createHmac, randomBytes } from "node:crypto";

const PREFIX = "whsec_";
/** The specification wants 24 to 64. */
const SECRET_BYTES = 32;

export const newWebhookSecret = (): string => `${PREFIX}${randomBytes(SECRET_BYTES).toString("base64")}`;

export type SignedMessage = { readonly id: string; readonly at: Date; readonly body: string };

/** The three headers. With two secrets, while one takes over from the other, the receiver may know either. */
export function signedHeaders({ id, at, body }: SignedMessage, secrets: readonly string[]): Record<string, string> {
  const seconds = String(Math.floor(at.getTime() / 1000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(PREFIX.length), "base64");
    return `v1,${createHmac("sha256", key).update(`${id}.${seconds}.${body}`).digest("base64")}`;
  });
  return { "webhook-id": id, "webhook-timestamp": seconds, "webhook-signature": signatures.join(" ") };
}
