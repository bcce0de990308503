// What is posted, by the Standard Webhooks specification: an id, a time, a type and data. Of the event it has ids and no texts, as the event log does, so that
// what is erased is not kept here; the few texts that there are, a reply's, are read when it is posted.

import type { EventType, LoggedEvent } from "../events/types.ts";

export type WebhookType = EventType | "TEST";

/** The `type` of a message as the receiver sees it. */
export const TYPE_NAMES: Readonly<Record<WebhookType, string>> = {
  FLOW_ACTIVATED: "flow.activated",
  FLOW_SENT: "flow.sent",
  FLOW_DELIVERED: "flow.delivered",
  FLOW_READ: "flow.read",
  FLOW_FAILED: "flow.failed",
  FLOW_SKIPPED: "flow.skipped",
  FLOW_CANCELLED: "flow.cancelled",
  DEVICE_STATUS: "device.status",
  REPLY: "reply.received",
  ENROLLMENT: "enrollment.changed",
  LEAD: "lead.opted",
  ALERT: "alert.raised",
  TEST: "webhook.test",
};

/** What is kept of an event for its delivery. Ids are bare. */
export type WebhookContent = { readonly type: WebhookType; readonly at: string } & Partial<Omit<LoggedEvent, "type" | "at">>;

export type WebhookAttempt = {
  readonly at: string;
  readonly durationMs: number;
  /** Null where there was no answer. */
  readonly status: number | null;
  /** In words, where it failed. */
  readonly error: string | null;
};

/** What the event's own row does not have, as it is when the message is posted. */
export type Beside = { readonly leadId: string | null; readonly text: string | null; readonly optedOut: boolean | null };

/** The body, as JSON. What does not apply is left out. */
export function bodyOf(content: WebhookContent, beside: Beside | undefined): string {
  return JSON.stringify({ type: TYPE_NAMES[content.type], timestamp: content.at, data: dataOf(content, beside) });
}

function dataOf(content: WebhookContent, beside: Beside | undefined): Record<string, unknown> {
  const { type, status, previousStatus, reason } = content;
  const leadId = content.leadId ?? beside?.leadId;
  const things = {
    cursor: content.cursor,
    ...ids({ Flow: content.flowId, Enrollment: content.enrollmentId, Lead: leadId, Sequence: content.sequenceId, Campaign: content.campaignId, Device: content.deviceId, WebhookEndpoint: content.webhookEndpointId }),
  };
  switch (type) {
    case "TEST":
      return { message: "This is a test. Nothing has happened." };
    case "ALERT":
      return { ...things, kind: status, message: reason };
    case "LEAD":
      return { ...things, optedOut: status === "OPTED_OUT" };
    case "REPLY":
      return { ...things, text: beside?.text ?? "", optedOut: beside?.optedOut ?? false };
    case "DEVICE_STATUS":
    case "ENROLLMENT":
      return { ...things, ...present({ status, previousStatus, reason }) };
    default:
      return { ...things, ...present({ reason }) };
  }
}

/** As the API writes them: `leadId: "Lead:0198…"`. */
const ids = (byType: Readonly<Record<string, string | null | undefined>>): Record<string, string> =>
  Object.fromEntries(Object.entries(byType).flatMap(([type, id]) => (id == null ? [] : [[`${type.charAt(0).toLowerCase()}${type.slice(1)}Id`, `${type}:${id}`]])));

const present = (values: Readonly<Record<string, unknown>>): Record<string, unknown> => Object.fromEntries(Object.entries(values).filter(([, value]) => value != null));
