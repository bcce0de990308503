// Loaded into a server before anything of it (node --import): its wall clock can be set from outside, as an operator or NTP does. The monotonic clock
// does not hear of it.

const SystemDate = Date;
let offsetMs = 0;

class SteppedDate extends SystemDate {
  constructor(...values: []) {
    if (values.length === 0) super(SteppedDate.now());
    else super(...values);
  }
  static override now(): number {
    return SystemDate.now() + offsetMs;
  }
}

globalThis.Date = SteppedDate as DateConstructor;

process.on("message", (message: unknown) => {
  const stepMs = (message as { stepMs?: unknown }).stepMs;
  if (typeof stepMs !== "number") return;
  offsetMs += stepMs;
  process.send?.({ steppedTo: offsetMs });
});
