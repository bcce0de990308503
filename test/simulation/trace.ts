// What happened, in order: the last of it to be read after a failure, and all of it as a number that two runs of a seed must share.

const KEPT = 400;

export interface Trace {
  add(line: string): void;
  /** Of all lines so far. */
  hash(): string;
  last(lines: number): string[];
  count(): number;
}

export function createTrace(now: () => number): Trace {
  let lines: string[] = [];
  let count = 0;
  let low = 0x811c9dc5;
  let high = 0x9747b28c;
  return {
    add(text) {
      const line = `${new Date(now()).toISOString()} ${text}`;
      for (let i = 0; i < line.length; i++) {
        low = Math.imul(low ^ line.charCodeAt(i), 0x01000193);
        high = Math.imul(high ^ line.charCodeAt(i), 0x5bd1e995);
      }
      count += 1;
      lines.push(line);
      if (lines.length > 2 * KEPT) lines = lines.slice(-KEPT);
    },
    hash: () => `${(low >>> 0).toString(16)}${(high >>> 0).toString(16)}`,
    last: (wanted) => lines.slice(-wanted),
    count: () => count,
  };
}
