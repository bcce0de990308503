import type { Ending } from "../flows/settle.ts";

/** Hears what the dispatcher of this process does, a cycle or a batch at a time, and says nothing back. */
export type DispatchObserver = {
  /** A cycle has come to its end. */
  cycled(ms: number): void;
  /** Due flows were read; so many. */
  claimed(ms: number, flows: number): void;
  /** A batch was written down, and so these flows have ended. */
  settled(ms: number, endings: readonly Ending[]): void;
};

export const NO_OBSERVER: DispatchObserver = { cycled() {}, claimed() {}, settled() {} };
