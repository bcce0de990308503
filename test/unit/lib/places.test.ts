import { expect, test } from "vitest";
import { createPlaces, type Places } from "../../../src/lib/places.ts";

/** Takes a place, and tells when it has it. */
function comer(places: Places, name: string, seated: string[]) {
  const turn = places.take();
  if (turn) void turn.then(() => seated.push(name));
  else seated.push(name);
}
const turnOfEvents = () => new Promise<void>((resolve) => setImmediate(resolve));

test("gives out as many places as there are at once, and the next one when one is given back", async () => {
  const places = createPlaces(2);
  const seated: string[] = [];
  for (const name of ["a", "b", "c", "d"]) comer(places, name, seated);
  await turnOfEvents();
  expect(seated).toEqual(["a", "b"]);
  places.leave();
  await turnOfEvents();
  expect(seated).toEqual(["a", "b", "c"]);
});

test("lets nobody in before those who stand in line", async () => {
  const places = createPlaces(1);
  const seated: string[] = [];
  comer(places, "a", seated);
  comer(places, "waiting", seated);
  places.leave();
  comer(places, "late", seated);
  await turnOfEvents();
  expect(seated).toEqual(["a", "waiting"]);
  places.leave();
  await turnOfEvents();
  expect(seated).toEqual(["a", "waiting", "late"]);
});

test("has all places again when all have left", async () => {
  const places = createPlaces(2);
  const seated: string[] = [];
  for (const name of ["a", "b", "c"]) comer(places, name, seated);
  for (let left = 0; left < 3; left++) places.leave();
  for (const name of ["d", "e", "f"]) comer(places, name, seated);
  await turnOfEvents();
  expect(seated.toSorted()).toEqual(["a", "b", "c", "d", "e"]);
});
