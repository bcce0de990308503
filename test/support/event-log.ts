import type pg from "pg";
import { type Bell, createBell } from "../../src/events/bell.ts";
import { createEventLog } from "../../src/events/log.ts";
import { createTailer, type OnRead, type Tailer } from "../../src/events/tailer.ts";
import type { EventLog } from "../../src/events/types.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { one, silent } from "./factories.ts";

export type TestEventLog = { readonly bell: Bell; readonly events: EventLog; readonly tailer: Tailer; readonly generation: string };

/** The event log of a database, as one process has it: with a reader of its own, which is to be stopped. */
export async function startEventLog(pool: pg.Pool, bell: Bell = createBell(), onRead: OnRead = () => {}): Promise<TestEventLog> {
  const tailer = createTailer({ pool, bell, clock: systemClock, logger: silent, onRead });
  const { log_generation: generation } = await one<{ log_generation: string }>(pool, "SELECT log_generation FROM installation");
  return { bell, events: createEventLog({ pool, tailer, generation, onRead }), tailer, generation };
}
