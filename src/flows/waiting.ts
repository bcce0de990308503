// What a flow waits for: every gate that keeps it from being sent now, so that nobody has to guess.

const FLOW_WAIT_REASONS = [
  "NOT_DUE",
  "SEQUENCE_PAUSED",
  "ENROLLMENT_PAUSED",
  "NO_DEVICE_ONLINE",
  "DEVICE_LIMITS",
  "QUEUED",
] as const;

export type FlowWait = {
  readonly reason: (typeof FLOW_WAIT_REASONS)[number];
  readonly message: string;
  /** The earliest time at which this gate opens; null where that is not known. */
  readonly until: Date | null;
};

/** The workspace's devices together, for any of them may send any flow. */
export type DeviceRoom = {
  /** Devices that are online and not paused. */
  readonly online: number;
  /** Whether one of them is below its limits. */
  readonly hasRoom: boolean;
  /** When the first of them is, where none is now. */
  readonly roomAt: Date | null;
};

export type Situation = {
  readonly now: Date;
  /** As the wall clock will show it if nothing is paused any longer. */
  readonly dueAt: Date;
  /** Neither attempted nor settled. */
  readonly isWaiting: boolean;
  readonly sequenceStatus: string | null;
  readonly enrollmentStatus: string | null;
  readonly devices: DeviceRoom;
};

export function flowWaits({ now, dueAt, isWaiting, sequenceStatus, enrollmentStatus, devices }: Situation): FlowWait[] {
  if (!isWaiting) return [];
  const waits: FlowWait[] = [];
  const isSequenceActive = sequenceStatus === "ACTIVE";
  if (!isSequenceActive) {
    waits.push({
      reason: "SEQUENCE_PAUSED",
      message: `Its sequence is ${sequenceStatus ?? "gone"}; it goes on when the sequence is activated.`,
      until: null,
    });
  }
  if (enrollmentStatus === "PAUSED") {
    waits.push({
      reason: "ENROLLMENT_PAUSED",
      message: "The lead's enrolment is paused; it goes on when the enrolment is resumed.",
      until: null,
    });
  }
  if (dueAt > now) {
    // While something is paused the remaining delay stands still, and nobody knows the time.
    const until = waits.length === 0 ? dueAt : null;
    waits.push({
      reason: "NOT_DUE",
      message: until ? `It is due at ${dueAt.toISOString()}.` : "Its delay is not over yet, and stands still while it is paused.",
      until,
    });
  }
  if (devices.online === 0) {
    waits.push({ reason: "NO_DEVICE_ONLINE", message: "No device of the workspace is online and not paused.", until: null });
  } else if (!devices.hasRoom) {
    waits.push({
      reason: "DEVICE_LIMITS",
      message: "Every device that is online has reached its hourly or daily limit.",
      until: devices.roomAt,
    });
  }
  if (waits.length === 0) waits.push({ reason: "QUEUED", message: "Nothing keeps it: the next cycle takes it.", until: null });
  return waits;
}
