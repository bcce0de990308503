// Whether a message's bytes may leave, and whether they have: asked in the same turn of the event loop as the write.
//
// Between an attempt and its write lie look-ups and encryption, by a library that knows of no deadline. It asks whether the socket is open right before each
// write; the answer that it gets here is no once the deadline of the message that it works for has passed.

import { AsyncLocalStorage } from "node:async_hooks";
import type { Deadline } from "../../lib/deadline.ts";

type Write = { readonly deadline: Deadline; isEncrypted: boolean; isWritten: boolean };

const writes = new AsyncLocalStorage<Write>();

export type Guarded = { readonly isWritten: () => boolean; readonly done: Promise<void> };

/** Runs what looks up, encrypts and writes one message. */
export function guardWrite(deadline: Deadline, run: () => Promise<unknown>): Guarded {
  const write: Write = { deadline, isEncrypted: false, isWritten: false };
  const done = writes.run(write, async () => {
    await run();
  });
  return { isWritten: () => write.isWritten, done };
}

/** The message is encrypted: what is written next for it is the message itself. */
export function markEncrypted(): void {
  const write = writes.getStore();
  if (write) write.isEncrypted = true;
}

/** Asked right before a write. What comes after the message itself, for the same call, is bound to no deadline. */
export function mayWrite(): boolean {
  const write = writes.getStore();
  if (write === undefined || write.isWritten) return true;
  if (write.deadline.hasPassed()) return false;
  // Taken for written from here on, although the write itself may yet fail: never the other way round.
  if (write.isEncrypted) write.isWritten = true;
  return true;
}
