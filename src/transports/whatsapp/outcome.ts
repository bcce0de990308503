// What WhatsApp's acknowledgement of a message means.

import type { Outcome, RefusalCode } from "../transport.ts";

type Refusal = { readonly code: RefusalCode; readonly message: string };

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "429": { code: "RATE_LIMITED", message: "WhatsApp refused it: this device sends too fast." },
  "463": { code: "DEVICE_RESTRICTED", message: "WhatsApp refused it: it restricts this device to people who have written to it." },
  "479": { code: "REJECTED", message: "WhatsApp refused it: the recipient's devices have changed." },
};

/** `error` is the acknowledgement's error code; undefined where it has none. */
export function outcomeOfAck(error: string | undefined, at: Date): Outcome {
  if (error === undefined) return { kind: "accepted", at };
  return { kind: "refused", ...(REFUSALS[error] ?? { code: "REJECTED", message: `WhatsApp refused it with code ${error}.` }) };
}

/** The device may write to people who have written to it, and to nobody else. */
export const isRestriction = (error: string | undefined): boolean => error !== undefined && REFUSALS[error]?.code === "DEVICE_RESTRICTED";
