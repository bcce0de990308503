/** A bounded number of places. Whoever finds none free stands in line, first come, first served. */
export interface Places {
  /** Resolves when the place is the caller's; undefined where it is so at once. */
  take(): Promise<void> | undefined;
  /** Gives it back. Once for each that was taken. */
  leave(): void;
}

export function createPlaces(count: number): Places {
  let free = count;
  const line: (() => void)[] = [];

  return {
    take() {
      if (free === 0) return new Promise((resolve) => void line.push(resolve));
      free -= 1;
      return undefined;
    },
    leave() {
      // Handed on, not made free: whoever comes just now would be before its turn.
      const next = line.shift();
      if (next) next();
      else free += 1;
    },
  };
}
