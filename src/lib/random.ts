// Seeded randomness: the same seed gives the same numbers, so that a run can be played again and a preview shows what will be sent.

/** Gives numbers in [0, 1). */
export type Random = () => number;

/** A generator for `seed`: its FNV-1a hash (32 bits) feeds mulberry32. Good enough to spread choices, not for secrets. */
export function seededRandom(seed: string): Random {
  let state = 0x811c9dc5;
  for (let i = 0; i < seed.length; i++) state = Math.imul(state ^ seed.charCodeAt(i), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
