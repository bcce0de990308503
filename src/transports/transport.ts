// The port to whatever carries messages. The dispatcher knows this file and no transport.

import type { Deadline } from "../lib/deadline.ts";

/** From before the attempt is queued until the last byte may be written. */
export const SEND_DEADLINE_MS = 10_000;

/** From the write until the acknowledgement is no longer waited for. */
export const ACKNOWLEDGEMENT_MS = 30_000;

export type RefusalCode = "DEVICE_DISCONNECTED" | "REJECTED" | "DEADLINE_MISSED";

export type Outcome =
  | { readonly kind: "accepted"; readonly at: Date }
  /** Surely not sent: refused before a byte left, or by the other side's own word. */
  | { readonly kind: "refused"; readonly code: RefusalCode; readonly message: string }
  /** Bytes may have left. Never to be tried again. */
  | { readonly kind: "unknown"; readonly message: string };

export type OutgoingMessage = {
  readonly flowId: string;
  readonly messageId: string;
  /** E.164 without the plus sign. */
  readonly phone: string;
  readonly text: string;
};

/** What is heard of a message after its send has ended: it can come minutes later, and after a restart. */
export type Receipt = {
  readonly messageId: string;
  readonly kind: "accepted" | "delivered" | "read";
  readonly at: Date;
};

export type SessionStatus = "CONNECTING" | "ONLINE" | "OFFLINE";

export interface SessionListener {
  /** `reason` is in words that an operator can act on. */
  status(status: SessionStatus, reason: string | null): void;
  receipt(receipt: Receipt): void;
}

/** One device's connection. */
export interface Session {
  /** Never rejects: whatever goes wrong is an outcome. Writes nothing once `deadline` has passed, checked in the same turn as the write. */
  send(message: OutgoingMessage, deadline: Deadline): Promise<Outcome>;
  /** Ends the connection. What is being sent ends as unknown at the latest now. Safe to call twice. */
  close(): Promise<void>;
}

export type SessionDevice = {
  readonly id: string;
  readonly simulatedLatencyMs: number;
  readonly simulatedFailureRate: number;
};

export interface Transport {
  /** Begins to connect; the listener hears how it goes, from now on. `device` tells the settings as they are at that moment. */
  open(device: () => SessionDevice, listener: SessionListener): Session;
}
