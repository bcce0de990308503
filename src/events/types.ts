export const FLOW_EVENT_TYPES = ["FLOW_ACTIVATED", "FLOW_SENT", "FLOW_DELIVERED", "FLOW_READ", "FLOW_FAILED", "FLOW_SKIPPED", "FLOW_CANCELLED"] as const;

export type FlowEventType = (typeof FLOW_EVENT_TYPES)[number];

export const EVENT_TYPES = [...FLOW_EVENT_TYPES, "DEVICE_STATUS", "REPLY", "ENROLLMENT", "LEAD", "ALERT"] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/** One row of the event log, as a subscriber gets it. */
export type LoggedEvent = {
  /** Pass it as `after` to go on from here. */
  readonly cursor: string;
  readonly type: EventType;
  readonly at: Date;
  readonly flowId: string | null;
  readonly sequenceId: string | null;
  readonly campaignId: string | null;
  readonly deviceId: string | null;
  /** Of a device or an enrolment; of a lead OPTED_OUT or OPTED_IN. */
  readonly status: string | null;
  readonly previousStatus: string | null;
  readonly reason: string | null;
  /** Its text is not here: events keep ids alone, so that what is erased is gone from the log, too. */
  readonly replyId: string | null;
  readonly enrollmentId: string | null;
  readonly leadId: string | null;
  /** Of an alert; its kind is the status, and its sentence the reason. */
  readonly webhookEndpointId: string | null;
};

export type FollowOptions = {
  readonly workspaceId: string;
  /** Replay what happened since this cursor first. Without it only what happens from now on is given. */
  readonly after?: string | undefined;
  readonly wants: (event: LoggedEvent) => boolean;
  /** Ends the iteration. */
  readonly signal: AbortSignal;
};

export interface EventLog {
  /** The workspace's events in order, each at least once, with no gap between replay and live. Rejects with CursorError at the first
   *  `next()` where `after` is no cursor of this log. */
  follow(options: FollowOptions): AsyncIterableIterator<LoggedEvent>;
  /** The cursor of where the log ends now: followed from there, nothing that happens from now on is missed. */
  end(): Promise<string>;
}

/** `after` is no cursor of this log. The message says what would be right. */
export class CursorError extends Error {
  override name = "CursorError";
}

/** `after` is older than the events that are kept: what has happened in between cannot be told any more. */
export class CursorExpiredError extends CursorError {
  override name = "CursorExpiredError";
}
