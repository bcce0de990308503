// The life of a flow, as data: documentation that the types, the API's enums and the tests are made of.
//
//   ACTIVE ──attempt──▶ PROCESSING ──settle──▶ SENT
//     │                     │    │              ▲
//     │                     │    └──settle──▶ FAILED ──correct──┘
//     │                     └──rescue──▶ FAILED (OUTCOME_UNKNOWN)
//     ├──settle──▶ FAILED (it cannot be rendered, its media cannot be sent, or there is no device)
//     ├──skip──▶ SKIPPED
//     └──cancel──▶ CANCELLED
//
// Claiming is no transition: it only reads. There is no way back to ACTIVE: a flow is attempted at most once. An operator's retry of a failed
// flow is a new one.

import type { FlowEventType } from "../events/types.ts";

export const FLOW_STATUSES = ["ACTIVE", "PROCESSING", "SENT", "FAILED", "SKIPPED", "CANCELLED"] as const;
export type FlowStatus = (typeof FLOW_STATUSES)[number];

export const FLOW_FAILURE_CODES = [
  "NO_DEVICE",
  "DEVICE_DISCONNECTED",
  "DEVICE_RESTRICTED",
  "NOT_ON_WHATSAPP",
  "REJECTED",
  "TEMPLATE_ERROR",
  "OUTCOME_UNKNOWN",
  "DEADLINE_MISSED",
  "RATE_LIMITED",
  "MEDIA_ERROR",
] as const;
export type FlowFailureCode = (typeof FLOW_FAILURE_CODES)[number];

export const FLOW_SKIP_REASONS = ["OPTED_OUT", "REPLIED", "NO_CONSENT", "OPERATOR", "STEP_REMOVED", "SEQUENCE_ARCHIVED", "ERASED"] as const;
export type FlowSkipReason = (typeof FLOW_SKIP_REASONS)[number];

export type Transition = {
  readonly name: "create" | "attempt" | "settle" | "rescue" | "skip" | "cancel" | "correct";
  /** Null: the flow comes into being. */
  readonly from: FlowStatus | null;
  readonly to: FlowStatus;
  /** Null where nobody is told: an attempt is followed by how it ended. */
  readonly event: FlowEventType | null;
  readonly failureCodes?: readonly FlowFailureCode[];
};

export const TRANSITIONS: readonly Transition[] = [
  { name: "create", from: null, to: "ACTIVE", event: "FLOW_ACTIVATED" },
  { name: "attempt", from: "ACTIVE", to: "PROCESSING", event: null },
  { name: "settle", from: "PROCESSING", to: "SENT", event: "FLOW_SENT" },
  {
    name: "settle",
    from: "PROCESSING",
    to: "FAILED",
    event: "FLOW_FAILED",
    failureCodes: ["DEVICE_DISCONNECTED", "DEVICE_RESTRICTED", "NOT_ON_WHATSAPP", "REJECTED", "OUTCOME_UNKNOWN", "DEADLINE_MISSED", "RATE_LIMITED"],
  },
  { name: "settle", from: "ACTIVE", to: "FAILED", event: "FLOW_FAILED", failureCodes: ["TEMPLATE_ERROR", "MEDIA_ERROR", "NO_DEVICE"] },
  { name: "rescue", from: "PROCESSING", to: "FAILED", event: "FLOW_FAILED", failureCodes: ["OUTCOME_UNKNOWN"] },
  { name: "skip", from: "ACTIVE", to: "SKIPPED", event: "FLOW_SKIPPED" },
  { name: "cancel", from: "ACTIVE", to: "CANCELLED", event: "FLOW_CANCELLED" },
  { name: "correct", from: "FAILED", to: "SENT", event: "FLOW_SENT", failureCodes: ["OUTCOME_UNKNOWN"] },
];

export const isSettled = (status: FlowStatus): boolean => status !== "ACTIVE" && status !== "PROCESSING";
