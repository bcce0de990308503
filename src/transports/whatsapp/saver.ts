import type { Clock } from "../../lib/clock.ts";

const RETRY_MS = 1000;

export interface Saver<T> {
  /** Stores the value as it is when its turn comes: of several, the last. */
  save(value: T): void;
  /** Waits until what is under way has been stored, or has failed. */
  saved(): Promise<void>;
}

export type SaverOptions<T> = { readonly clock: Clock; readonly save: (value: T) => Promise<void>; readonly onError: (error: unknown) => void };

/** Stores a value that changes often, one write at a time. */
export function createSaver<T>({ clock, save, onError }: SaverOptions<T>): Saver<T> {
  let pending: { readonly value: T } | null = null;
  let saving: Promise<void> | null = null;

  const run = async () => {
    while (pending !== null) {
      const { value } = pending;
      pending = null;
      try {
        await save(value);
      } catch (error) {
        onError(error);
        pending ??= { value };
        void clock.setTimeout(begin, RETRY_MS);
        return;
      }
    }
  };
  const begin = () => {
    saving ??= run().finally(() => (saving = null));
  };

  return {
    save(value) {
      pending = { value };
      begin();
    },
    saved: () => saving ?? Promise.resolve(),
  };
}
