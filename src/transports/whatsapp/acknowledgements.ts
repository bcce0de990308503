import type { Clock } from "../../lib/clock.ts";
import { ACKNOWLEDGEMENT_MS, type Outcome } from "../transport.ts";

/** The messages of one connection that are on the wire and not yet acknowledged. */
export interface Acknowledgements {
  /** Waits from now on. Begin before the write: the answer can be quicker than the write's own end. */
  expect(messageId: string): { readonly outcome: Promise<Outcome>; forget(): void };
  /** The message is written: it is waited for half a minute more. */
  written(messageId: string): void;
  /** False where nobody waits for it. */
  settle(messageId: string, outcome: Outcome): boolean;
  /** Nothing more comes on this connection. */
  endAll(message: string): void;
}

export function createAcknowledgements(clock: Clock, onOverdue: () => void): Acknowledgements {
  const waiting = new Map<string, (outcome: Outcome) => void>();
  const settle = (messageId: string, outcome: Outcome) => {
    const end = waiting.get(messageId);
    waiting.delete(messageId);
    end?.(outcome);
    return end !== undefined;
  };
  return {
    expect(messageId) {
      const outcome = new Promise<Outcome>((resolve) => waiting.set(messageId, resolve));
      return { outcome, forget: () => void waiting.delete(messageId) };
    },
    written(messageId) {
      const end = waiting.get(messageId);
      if (end === undefined) return;
      const timer = clock.setTimeout(() => {
        if (settle(messageId, { kind: "unknown", message: `No acknowledgement came within ${ACKNOWLEDGEMENT_MS / 1000} seconds.` })) onOverdue();
      }, ACKNOWLEDGEMENT_MS);
      waiting.set(messageId, (outcome) => (timer.cancel(), end(outcome)));
    },
    settle,
    endAll(message) {
      for (const messageId of [...waiting.keys()]) settle(messageId, { kind: "unknown", message });
    },
  };
}
