// The port to whatever carries messages. The dispatcher knows this file and no transport.

import type { Deadline } from "../lib/deadline.ts";
import type { MediaKind } from "../media/kinds.ts";

/** From before the attempt is queued until the last byte may be written. */
export const SEND_DEADLINE_MS = 10_000;

/** From the write until the acknowledgement is no longer waited for. */
export const ACKNOWLEDGEMENT_MS = 30_000;

/** From when a device is asked to get media ready until it is left for later. */
export const PREPARATION_MS = 45_000;

export type RefusalCode = "DEVICE_DISCONNECTED" | "DEVICE_RESTRICTED" | "NOT_ON_WHATSAPP" | "RATE_LIMITED" | "REJECTED" | "DEADLINE_MISSED";

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
  /** With media its caption; empty where it has none. */
  readonly text: string;
  readonly media: PreparedMedia | null;
};

/** A file that is sent with a message. Never changes under its id. */
export type OutgoingMedia = {
  readonly id: string;
  readonly kind: MediaKind;
  /** A document's; empty for others. */
  readonly fileName: string;
  readonly contentType: string;
  /** Of the file, in hexadecimal. */
  readonly sha256: string;
};

/** Media that recipients of a device can fetch. `content` is the transport's own. */
export type PreparedMedia = { readonly media: OutgoingMedia; readonly content: unknown };

export type Preparation =
  | { readonly kind: "ready"; readonly media: PreparedMedia }
  /** It cannot be sent: a sentence on why. */
  | { readonly kind: "failed"; readonly message: string }
  /** Not now: the device is not connected, or others come first. Nothing is wrong with it. */
  | { readonly kind: "later" };

/** What is heard of a message after its send has ended: it can come minutes later, and after a restart. */
export type Receipt = {
  readonly messageId: string;
  readonly kind: "accepted" | "delivered" | "read";
  readonly at: Date;
};

/** UNPAIRED: nobody has linked it yet. PAIRING: its codes are being shown. RESTRICTED: it sends to people who have written to it, and to nobody else. */
export type SessionStatus = "UNPAIRED" | "PAIRING" | "CONNECTING" | "ONLINE" | "OFFLINE" | "LOGGED_OUT" | "REPLACED" | "RESTRICTED" | "BANNED";

/** These last until an operator does something: a device in one of them does not come back by itself. */
export const LASTING: readonly SessionStatus[] = ["UNPAIRED", "LOGGED_OUT", "REPLACED", "BANNED"];

/** The reason of UNPAIRED, until somebody begins a pairing. */
export const PAIR_FIRST = "Nobody has paired it yet. Call pairDevice, and scan the code that devicePairing shows.";

/** What somebody wrote to a device. */
export type IncomingReply = {
  readonly workspaceId: string;
  readonly deviceId: string;
  /** WhatsApp's own. A second reply with the same device and id is the first one, delivered again, and changes nothing. */
  readonly messageId: string;
  /** E.164 without the plus sign; null where only a hidden id (LID) is known that nobody could lead back to a number. */
  readonly phone: string | null;
  /** Empty where it is a picture or a voice message without words. */
  readonly text: string;
  /** When it was written, by WhatsApp's clock. */
  readonly at: Date;
};

export interface SessionListener {
  /** `reason` is in words that an operator can act on. `until`: when a restriction ends by itself. */
  status(status: SessionStatus, reason: string | null, until?: Date): void;
  receipt(receipt: Receipt): void;
  /** An answer that belongs to no flow is about to be written. False where the device's limits leave no room for it; counted where true. */
  mayAnswer(): boolean;
}

/** One device's connection. */
export interface Session {
  /** Gets media to where recipients can fetch it, which may take longer than a message has: so it comes before the attempt. Never rejects, and ends within
   *  PREPARATION_MS. */
  prepare(media: OutgoingMedia): Promise<Preparation>;
  /** Never rejects: whatever goes wrong is an outcome. Writes nothing once `deadline` has passed, checked in the same turn as the write. */
  send(message: OutgoingMessage, deadline: Deadline): Promise<Outcome>;
  /** The device's settings are others than before. */
  refresh(): void;
  /** Ends the connection. What is being sent ends as unknown at the latest now. Safe to call twice. */
  close(): Promise<void>;
}

export type SessionDevice = {
  readonly id: string;
  readonly workspaceId: string;
  /** The node that holds it. What a session writes to Postgres is written only as long as that is so. */
  readonly nodeId: string;
  /** As it was written down last. */
  readonly status: SessionStatus;
  readonly statusReason: string | null;
  /** When its restriction ends; null where it has none. */
  readonly restrictedUntil: Date | null;
  /** Since when an operator wants it paired, and by a code for which number; a QR code where that is null. */
  readonly pairingRequestedAt: Date | null;
  readonly pairingPhone: string | null;
  readonly logoutRequestedAt: Date | null;
  readonly simulatedLatencyMs: number;
  readonly simulatedFailureRate: number;
};

export interface Transport {
  /** Begins to connect; the listener hears how it goes, from now on. `device` tells the settings as they are at that moment. */
  open(device: () => SessionDevice, listener: SessionListener): Session;
}
