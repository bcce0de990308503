import { expect, test } from "vitest";
import { shownAhead } from "../../../src/graphql/shown-ahead.ts";

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** How many events were begun to be shown in each turn of the event loop, of `count` that are there at once, by a subscriber that takes one a turn. */
async function turnsOf(count: number): Promise<{ shown: number[]; turns: number[] }> {
  let at = 0;
  let now = 0;
  const turns = new Map<number, number>();
  const results = shownAhead({
    source: { next: async () => (at < count ? { done: false, value: at++ } : { done: true, value: undefined }) },
    async show(event) {
      turns.set(now, (turns.get(now) ?? 0) + 1);
      await turn();
      return { data: { event: event as number } };
    },
    signal: new AbortController().signal,
    close: () => {},
    mask: (error) => error as never,
  });
  const shown: number[] = [];
  for await (const { data } of results) {
    shown.push(data?.["event"] as number);
    now += 1;
    await turn();
  }
  return { shown, turns: [...turns.values()] };
}

test("events come in their order, and those of a subscriber that is behind are shown many at a time", async () => {
  const { shown, turns } = await turnsOf(500);
  expect(shown).toEqual(Array.from({ length: 500 }, (_, n) => n));
  expect(Math.max(...turns)).toBeLessThanOrEqual(65);
  expect(turns.length).toBeLessThan(500 / 16);
});
