// Whether the devices can send what falls due: many leads on the same way at the same time, taken as the limits allow, what was not taken waiting for the next
// opening. Reckoned in steps of ten minutes; the dispatcher works by the second.

import { DAY_MS, HOUR_MS, MINUTE_MS } from "../lib/clock.ts";
import { SEND_DEADLINE_MS } from "../transports/transport.ts";

/** Ms since the epoch. A lane without a window and quiet hours has one that never ends. */
export type Opening = { readonly from: number; readonly until: number };

/** A message of the way that all the leads go. */
export type Stage = {
  readonly sequenceId: string;
  /** When it is due where nothing waits, in ms since the epoch. */
  readonly dueAt: number;
  /** From this message to the next: never closer, whatever has waited. */
  readonly leastGapMs: number;
  /** From one message of a device to its next, on average. */
  readonly paceMs: number;
  /** Of its lane, in order, at least up to the horizon. */
  readonly openings: readonly Opening[];
  /** Its sequence has a time of day: what follows is due at an opening. */
  readonly isScheduled: boolean;
};

/** `hourlyLimit` and `dailyLimit`: of all of them together. */
export type Devices = { readonly count: number; readonly hourlyLimit: number; readonly dailyLimit: number; readonly hourlyCeiling: number | null };

/** A window of a scheduled sequence, or a day of another. */
export type Period = {
  readonly sequenceId: string;
  readonly from: number;
  readonly until: number;
  /** With what the one before left over. */
  readonly due: number;
  readonly taken: number;
  readonly capacity: number;
  /** To take all of it, that many more. */
  readonly missingDevices: number;
};

export type Capacity = {
  readonly periods: readonly Period[];
  /** Null where it is not before the horizon. */
  readonly finishesAt: number | null;
  /** For each message to go out in the window, or within the day, in which it is due. */
  readonly missingDevices: number;
  /** More devices would not help: the workspace's hourly ceiling is in the way. */
  readonly isCeilingInTheWay: boolean;
};

const STEP_MS = 10 * MINUTE_MS;
/** A device's when there is none to ask. */
const USUAL = { hourlyLimit: 80, dailyLimit: 800 };
type Waiting = { readonly dueAt: number; count: number };

/** `leads` people begin at once. `horizon`: ms since the epoch. */
export function planCapacity(stages: readonly Stage[], leads: number, devices: Devices, start: number, horizon: number): Capacity {
  const book = createBook(stages, devices, start);
  const line = createLine(stages, book);
  line.arrive(0, stages[0]?.dueAt ?? 0, leads);
  const recent = createRecent();
  let now = start - (start % STEP_MS);
  while (devices.count > 0) {
    const next = line.nextAt(now);
    if (next === Infinity) return { ...book.close(leads), finishesAt: line.finishedAt() };
    now = Math.max(now, next - (next % STEP_MS));
    if (now >= horizon) break;
    recent.add(now, line.take(now, recent.room(now, devices), devices.count));
    now += STEP_MS;
  }
  return { ...book.close(leads), finishesAt: null };
}

type Book = ReturnType<typeof createBook>;

/** Who waits for which message. Those of one message stand in the order in which they are due, for who is taken first is due again first. */
function createLine(stages: readonly Stage[], book: Book) {
  const queues: Waiting[][] = stages.map(() => []);
  /** The messages that somebody waits for, mostly few: a way of hundreds is not to be gone through at every step of years. */
  const waitedFor = new Set<number>();
  let finishedAt: number | null = null;

  const arrive = (place: number, dueAt: number, count: number) => {
    const [stage, queue] = [stages[place], queues[place]];
    if (!stage || !queue) return;
    book.arrived(stage, dueAt, count);
    waitedFor.add(place);
    const last = queue.at(-1);
    if (last?.dueAt === dueAt) last.count += count;
    else queue.push({ dueAt, count });
  };
  const dueOf = (place: number) => queues[place]?.[0]?.dueAt ?? Infinity;

  /** Of those at the head of one message's line. Returns how many. */
  const takeHead = (place: number, head: Waiting, now: number, room: number, devices: number, used: { ms: number }): number => {
    const stage = stages[place] as Stage;
    const from = firstOpen(stage, head.dueAt, now);
    const openFor = openMs(stage, from, now + STEP_MS) - used.ms;
    if (openFor <= 0) return 0;
    // Each device begins at once, and pauses then.
    const most = stage.paceMs === 0 ? Infinity : Math.max(devices, Math.floor((devices * openFor) / stage.paceMs));
    const taken = Math.min(head.count, room, most);
    used.ms += (taken * stage.paceMs) / devices;
    book.taken(stage, from, taken);
    if (place === stages.length - 1) finishedAt = Math.max(finishedAt ?? 0, Math.min(from + used.ms, now + STEP_MS));
    else arrive(place + 1, dueAfter(stages, place, head.dueAt, from), taken);
    return taken;
  };

  return {
    arrive,
    finishedAt: () => finishedAt,
    nextAt(now: number): number {
      let next = Infinity;
      for (const place of waitedFor) next = Math.min(next, firstOpen(stages[place] as Stage, dueOf(place), now));
      return next;
    },
    /** Takes up to `room` in the step that begins `now`: the oldest first, whichever message it waits for. */
    take(now: number, room: number, devices: number): number {
      const used = { ms: 0 };
      let left = room;
      const places = [...waitedFor].filter((place) => dueOf(place) < now + STEP_MS).toSorted((a, b) => dueOf(a) - dueOf(b) || a - b);
      for (const place of places) {
        const queue = queues[place] as Waiting[];
        for (let head = queue[0]; head !== undefined && head.dueAt < now + STEP_MS && left > 0; head = queue[0]) {
          const taken = takeHead(place, head, now, left, devices, used);
          left -= taken;
          head.count -= taken;
          if (head.count > 0) break;
          queue.shift();
        }
        if (queue.length === 0) waitedFor.delete(place);
      }
      return room - left;
    },
  };
}

/** When the message after `place` is due that was due at `dueAt` and was taken at `takenAt`. */
function dueAfter(stages: readonly Stage[], place: number, dueAt: number, takenAt: number): number {
  const [stage, next] = [stages[place] as Stage, stages[place + 1] as Stage];
  const planned = Math.max(dueAt + (next.dueAt - stage.dueAt), takenAt + stage.leastGapMs);
  // Days of a calendar are an hour shorter or longer where the clocks are changed.
  return next.isScheduled ? firstOpen(next, planned - HOUR_MS, takenAt + stage.leastGapMs) : planned;
}

/** The first moment from both on at which the stage's lane is open. */
function firstOpen({ openings }: Stage, dueAt: number, now: number): number {
  const from = Math.max(dueAt, now);
  const opening = openings[placeOf(openings, from)];
  return opening ? Math.max(from, opening.from) : Infinity;
}

function openMs({ openings }: Stage, from: number, until: number): number {
  const opening = openings[placeOf(openings, from)];
  // Nothing is attempted that could be on the wire after the window.
  return opening ? Math.max(0, Math.min(until, opening.until - SEND_DEADLINE_MS) - Math.max(from, opening.from)) : 0;
}

/** Of the first one that is not over at `at`. */
function placeOf(openings: readonly Opening[], at: number): number {
  let [low, high] = [0, openings.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((openings[middle] as Opening).until > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What was taken in the last hour and day: the limits roll. */
function createRecent() {
  const [hour, day] = [createRolling(HOUR_MS), createRolling(DAY_MS)];
  return {
    add(at: number, count: number) {
      hour.add(at, count);
      day.add(at, count);
    },
    room: (now: number, { hourlyLimit, dailyLimit, hourlyCeiling }: Devices): number =>
      Math.max(0, Math.min(Math.min(hourlyLimit, hourlyCeiling ?? Infinity) - hour.sum(now), dailyLimit - day.sum(now))),
  };
}

function createRolling(windowMs: number) {
  const entries: { readonly at: number; readonly count: number }[] = [];
  let sum = 0;
  return {
    add(at: number, count: number) {
      if (count === 0) return;
      entries.push({ at, count });
      sum += count;
    },
    sum(now: number): number {
      while (entries[0] && entries[0].at <= now - windowMs) sum -= entries.shift()?.count ?? 0;
      return sum;
    },
  };
}

/** Keeps what arrives and is taken in each period. */
function createBook(stages: readonly Stage[], devices: Devices, start: number) {
  type Entry = { readonly stage: Stage; readonly from: number; readonly until: number; arrived: number; taken: number };
  const entries = new Map<string, Entry>();
  const entryOf = (stage: Stage, at: number): Entry => {
    const opening = stage.isScheduled ? stage.openings[placeOf(stage.openings, at)] : undefined;
    const day = start + Math.floor((at - start) / DAY_MS) * DAY_MS;
    const { from, until } = opening ?? { from: day, until: day + DAY_MS };
    const key = `${stage.sequenceId} ${from}`;
    const entry = entries.get(key) ?? { stage, from, until, arrived: 0, taken: 0 };
    entries.set(key, entry);
    return entry;
  };
  const perDevice = ({ stage, from, until }: Pick<Entry, "stage" | "from" | "until">) => {
    const { hourlyLimit, dailyLimit } = devices.count === 0 ? USUAL : { hourlyLimit: devices.hourlyLimit / devices.count, dailyLimit: devices.dailyLimit / devices.count };
    return Math.max(1, Math.floor(Math.min(hourlyLimit * hoursOf(from, until), dailyLimit, stage.paceMs === 0 ? Infinity : 1 + (until - from - SEND_DEADLINE_MS) / stage.paceMs)));
  };
  const ceilingIn = ({ from, until }: Pick<Entry, "from" | "until">) => (devices.hourlyCeiling ?? Infinity) * hoursOf(from, until);

  return {
    arrived(stage: Stage, at: number, count: number) {
      entryOf(stage, at).arrived += count;
    },
    taken(stage: Stage, at: number, count: number) {
      entryOf(stage, at).taken += count;
    },
    close(leads: number): Omit<Capacity, "finishesAt"> {
      const left = new Map<string, number>();
      const periods = [...entries.values()]
        .toSorted((a, b) => a.from - b.from)
        .map((entry): Period => {
          const { stage, from, until, taken } = entry;
          const due = entry.arrived + (left.get(stage.sequenceId) ?? 0);
          left.set(stage.sequenceId, due - taken);
          const capacity = Math.min(devices.count * perDevice(entry), ceilingIn(entry));
          return { sequenceId: stage.sequenceId, from, until, due, taken, capacity, missingDevices: Math.max(0, Math.ceil(due / perDevice(entry)) - devices.count) };
        });
      // What would be due in each were nothing ever left over.
      const wanted = new Map<Entry, number>();
      for (const stage of stages) wanted.set(entryOf(stage, stage.dueAt), (wanted.get(entryOf(stage, stage.dueAt)) ?? 0) + leads);
      const missing = [...wanted].map(([entry, count]) => Math.ceil(count / perDevice(entry)) - devices.count);
      return { periods, missingDevices: Math.max(0, ...missing), isCeilingInTheWay: [...wanted].some(([entry, count]) => count > ceilingIn(entry)) };
    },
  };
}

/** Whole hours: a limit of an hour is spent in less. */
const hoursOf = (from: number, until: number) => Math.max(1, Math.ceil((until - from) / HOUR_MS));
