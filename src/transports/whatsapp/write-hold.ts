import type { WebSocket } from "ws";

type Done = ((error?: Error) => void) | undefined;

/** Returns how to keep everything that is written from now on back until something is stored. Where that fails nothing of it leaves. */
export function createWriteHold(raw: WebSocket): (until: Promise<void>) => void {
  const send = raw.send.bind(raw) as (data: unknown, done: Done) => void;
  let held: Promise<void> | undefined;

  const sendOnceReleased = async (until: Promise<void>, data: unknown, done: Done) => {
    try {
      await until;
    } catch (error) {
      return done?.(error as Error);
    }
    send(data, done);
  };

  raw.send = (data: unknown, done?: unknown) => {
    if (held === undefined) send(data, done as Done);
    else void sendOnceReleased(held, data, done as Done);
  };

  return (until) => {
    held = until.finally(() => (held = undefined));
    held.catch(() => {}); // who waits for it hears of it
  };
}
