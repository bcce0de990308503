/** A bounded number of places. Whoever finds none free stands in line, first come, first served. */
export interface Places<T> {
  /** Seats it, now or when it is its turn. */
  enter(guest: T): void;
  /** Gives a place back. Once for each that was seated. */
  leave(): void;
}

/** `seat` is told whose a place has become. */
export function createPlaces<T>(count: number, seat: (guest: T) => void): Places<T> {
  let free = count;
  const line: T[] = [];

  return {
    enter(guest) {
      if (free === 0) return void line.push(guest);
      free -= 1;
      seat(guest);
    },
    leave() {
      // Handed on, not made free: whoever comes just now would be before its turn.
      const next = line.shift();
      if (next === undefined) free += 1;
      else seat(next);
    },
  };
}
