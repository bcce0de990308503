import { type Clock, DAY_MS, type Timer } from "../../lib/clock.ts";

/** Where WhatsApp does not say how long. */
const UNKNOWN_MS = DAY_MS;

/** Timers hold no more than 31 bits of milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Whether and until when WhatsApp lets the device write to those alone who have written to it. */
export interface Restriction {
  /** Null while there is none. */
  until(): Date | null;
  /** WhatsApp's own word; null: there is none any more. */
  set(until: Date | null): void;
  /** WhatsApp has refused a message for it, and not said until when. */
  assume(): void;
  cancel(): void;
}

/** `onEnd`: its time is over. */
export function createRestriction({ clock, until: known, onEnd }: { readonly clock: Clock; readonly until: Date | null; readonly onEnd: () => void }): Restriction {
  let end: Date | null = null;
  let timer: Timer | undefined;

  const until = () => (end !== null && end.getTime() > clock.now() ? end : null);

  const set = (next: Date | null) => {
    timer?.cancel();
    end = next;
    if (until() !== null) watch();
  };

  const watch = () => {
    const ms = (end?.getTime() ?? 0) - clock.now() + 1;
    timer = clock.setTimeout(() => (until() === null ? onEnd() : watch()), Math.min(ms, LONGEST_TIMER_MS));
  };

  set(known);
  return {
    until,
    set,
    assume: () => until() ?? set(new Date(clock.now() + UNKNOWN_MS)),
    cancel: () => timer?.cancel(),
  };
}
