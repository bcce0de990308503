// What a flow waits for: every gate that keeps it from being sent now, so that nobody has to guess.

import { MINUTE_MS, SECOND_MS } from "../lib/clock.ts";

const FLOW_WAIT_REASONS = [
  "NOT_DUE",
  "SEQUENCE_PAUSED",
  "ENROLLMENT_PAUSED",
  "CAMPAIGN_PAUSED",
  "SCHEDULE_WINDOW",
  "QUIET_HOURS",
  "FREQUENCY_CAP",
  "NO_DEVICE_ONLINE",
  "DEVICE_LIMITS",
  "DEVICE_RESTRICTED",
  "PACE",
  "RATE_CEILING",
  "SYSTEM_HOLD",
  "QUEUED",
] as const;

export type FlowWait = {
  readonly reason: (typeof FLOW_WAIT_REASONS)[number];
  readonly message: string;
  /** The earliest time at which this gate opens; null where that is not known. */
  readonly until: Date | null;
};

/** Devices, any of which may send the flow. */
export type DeviceRoom = {
  /** How many are online and not paused. */
  readonly online: number;
  /** Whether one of them is below its limits. */
  readonly hasRoom: boolean;
  /** When the first of them is, where none is now. */
  readonly roomAt: Date | null;
  /** The last attempt of the one with room that has rested the longest; null where it has made none. */
  readonly restedSince: Date | null;
};

export type Situation = {
  readonly now: Date;
  /** Neither attempted nor settled. */
  readonly isWaiting: boolean;
  /** When it is due by its sequence, as the wall clock will show it if nothing is paused any longer. */
  readonly dueAt: Date;
  /** Until when the frequency cap has put it off, on the same clock. */
  readonly deferredUntil: Date | null;
  /** Of a sequence's flow. */
  readonly sequenceStatus: string | null;
  /** Of a campaign's flow that is no test. */
  readonly campaignStatus: string | null;
  readonly enrollmentStatus: string | null;
  /** When the sequence's window opens, where it is closed now. */
  readonly windowOpensAt: Date | null;
  /** The end of the quiet hours that it is in now, in its own zone. */
  readonly quietUntil: Date | null;
  /** The quiet hours cover the whole window. */
  readonly neverOpens: boolean;
  /** When the lead has room under the frequency cap, where there is none now. */
  readonly capUntil: Date | null;
  /** The workspace has a frequency cap, and a message of an older enrolment of the lead is due: that one goes first. */
  readonly isBehindOlder: boolean;
  /** When the workspace has room under its hourly ceiling, where there is none now. */
  readonly ceilingUntil: Date | null;
  readonly minDelaySeconds: number;
  readonly maxDelaySeconds: number;
  readonly noDeviceGraceMinutes: number;
  /** Whether the workspace has any device at all, and any that could come back by itself. */
  readonly hasDevices: boolean;
  readonly canComeBack: boolean;
  readonly devices: DeviceRoom;
  /** The one device that it waits for; null where any will do. */
  readonly boundDevice: DeviceRoom | null;
  /** That device is restricted, and this is a first contact: until then, as far as is known. */
  readonly restriction: { readonly until: Date | null } | null;
  /** The workspace's first contacts are held, and this is one. */
  readonly isHeld: boolean;
};

export function flowWaits(situation: Situation): FlowWait[] {
  if (!situation.isWaiting) return [];
  const paused = pauses(situation);
  const waits = [
    ...paused,
    ...dueTimes(situation, paused.length > 0),
    ...openingTimes(situation),
    ...frequencyCap(situation, paused.length > 0),
    ...devices(situation, paused.length > 0),
    ...ceiling(situation),
    ...hold(situation),
  ];
  return waits.length > 0 ? waits : [{ reason: "QUEUED", message: "Nothing keeps it: the next cycle takes it.", until: null }];
}

function pauses({ sequenceStatus, campaignStatus, enrollmentStatus }: Situation): FlowWait[] {
  const waits: FlowWait[] = [];
  if (sequenceStatus !== null && sequenceStatus !== "ACTIVE") {
    waits.push({
      reason: "SEQUENCE_PAUSED",
      message: sequenceStatus === "ARCHIVED" ? "Its sequence is ARCHIVED; it is about to be skipped." : `Its sequence is ${sequenceStatus}; it goes on when the sequence is activated.`,
      until: null,
    });
  }
  if (campaignStatus === "CANCELLED") {
    waits.push({ reason: "CAMPAIGN_PAUSED", message: "Its campaign is cancelled; it is about to be cancelled, too.", until: null });
  } else if (campaignStatus !== null && campaignStatus !== "RUNNING") {
    waits.push({ reason: "CAMPAIGN_PAUSED", message: `Its campaign is ${campaignStatus}; it goes on when the campaign is resumed.`, until: null });
  }
  if (enrollmentStatus === "PAUSED") {
    waits.push({
      reason: "ENROLLMENT_PAUSED",
      message: "The lead's enrolment is paused; it goes on when the enrolment is resumed.",
      until: null,
    });
  }
  return waits;
}

// While something is paused the remaining delay stands still, and nobody knows the time.
const STANDS_STILL = "stands still while it is paused.";

function dueTimes({ now, dueAt }: Situation, isPaused: boolean): FlowWait[] {
  if (dueAt <= now) return [];
  const message = isPaused ? `Its delay is not over yet, and ${STANDS_STILL}` : `It is due at ${dueAt.toISOString()}.`;
  return [{ reason: "NOT_DUE", message, until: isPaused ? null : dueAt }];
}

function openingTimes({ windowOpensAt, quietUntil, neverOpens }: Situation): FlowWait[] {
  const waits: FlowWait[] = [];
  if (neverOpens) {
    const message = "The workspace's quiet hours cover the whole of the sequence's window: nothing is sent until one of them is changed.";
    waits.push({ reason: "SCHEDULE_WINDOW", message, until: null });
  } else if (windowOpensAt) {
    const message = `The sequence's window is closed, and opens at ${windowOpensAt.toISOString()}.`;
    waits.push({ reason: "SCHEDULE_WINDOW", message, until: windowOpensAt });
  }
  if (quietUntil) {
    const message = `These are quiet hours where the lead is; they end at ${quietUntil.toISOString()}.`;
    waits.push({ reason: "QUIET_HOURS", message, until: quietUntil });
  }
  return waits;
}

function frequencyCap({ now, deferredUntil, capUntil, isBehindOlder }: Situation, isPaused: boolean): FlowWait[] {
  const isDeferred = deferredUntil !== null && deferredUntil > now;
  if (!isDeferred && !capUntil) {
    const message = "The lead's messages are counted by the workspace's frequency cap, and one of an older enrolment or campaign goes first.";
    return isBehindOlder ? [{ reason: "FREQUENCY_CAP", message, until: null }] : [];
  }
  const message = "The lead has had as many messages as the workspace's frequency cap allows";
  if (isDeferred && isPaused) return [{ reason: "FREQUENCY_CAP", message: `${message}; the time it was put off by ${STANDS_STILL}`, until: null }];
  const until = new Date(Math.max(capUntil?.getTime() ?? 0, isDeferred ? deferredUntil.getTime() : 0));
  return [{ reason: "FREQUENCY_CAP", message: `${message}, and may have the next one at ${until.toISOString()}.`, until }];
}

function devices(situation: Situation, isPaused: boolean): FlowWait[] {
  const { now, devices, boundDevice, restriction, minDelaySeconds, maxDelaySeconds } = situation;
  if (restriction) return [restricted(restriction.until)];
  const { online, hasRoom, roomAt, restedSince } = boundDevice ?? devices;
  if (online === 0) return [{ reason: "NO_DEVICE_ONLINE", message: noDeviceMessage(situation, isPaused), until: null }];
  if (!hasRoom) {
    const which = boundDevice ? "The device that this lead is written from" : "Every device that is online";
    return [{ reason: "DEVICE_LIMITS", message: `${which} has reached its hourly or daily limit.`, until: roomAt }];
  }
  const until = restedSince && new Date(restedSince.getTime() + maxDelaySeconds * SECOND_MS);
  if (!until || until <= now) return [];
  const which = boundDevice ? "The device that this lead is written from pauses" : "Every device with room under its limits pauses";
  const pause = `${minDelaySeconds} to ${maxDelaySeconds} seconds at random`;
  const message = `${which} between two messages, ${pause}: until ${until.toISOString()} at the latest.`;
  return [{ reason: "PACE", message, until }];
}

/** Also an operator's retry: it is not looked for beside the lead's enrolment. */
function restricted(until: Date | null): FlowWait {
  const message = "WhatsApp restricts the device that this lead is written from: it sends nothing but the next messages of those who have written to it.";
  return { reason: "DEVICE_RESTRICTED", message: until ? `${message} This lasts until ${until.toISOString()}, as far as is known.` : message, until };
}

function noDeviceMessage({ hasDevices, canComeBack, boundDevice, dueAt, deferredUntil, noDeviceGraceMinutes }: Situation, isPaused: boolean): string {
  if (boundDevice) return "The device that this lead has written to is paused or not connected, and no other goes on in its place while WhatsApp restricts it.";
  if (canComeBack) return "No device of the workspace is online and not paused.";
  const failsAt = Math.max(dueAt.getTime(), deferredUntil?.getTime() ?? 0) + noDeviceGraceMinutes * MINUTE_MS;
  const grace = noDeviceGraceMinutes > 0 ? `the sequence's grace of ${noDeviceGraceMinutes} minutes ends` : "it is due";
  const when = isPaused ? grace : `${grace}, at ${new Date(failsAt).toISOString()}`;
  if (!hasDevices) return `The workspace has no device. It fails with NO_DEVICE where there is still none when ${when}.`;
  return `Every device of the workspace is unpaired, logged out, replaced or banned. It fails with NO_DEVICE where that is still so when ${when}.`;
}

function ceiling({ ceilingUntil }: Situation): FlowWait[] {
  if (!ceilingUntil) return [];
  const message = `The workspace has reached its hourly ceiling, and has room again at ${ceilingUntil.toISOString()}.`;
  return [{ reason: "RATE_CEILING", message, until: ceilingUntil }];
}

function hold({ isHeld }: Situation): FlowWait[] {
  if (!isHeld) return [];
  const message = "Too many of the workspace's devices are restricted: who has not written before is written to when an operator calls releaseFirstContacts.";
  return [{ reason: "SYSTEM_HOLD", message, until: null }];
}
