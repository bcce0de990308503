import { expect, test } from "vitest";
import { createPlaces } from "../../../src/lib/places.ts";

function rig(count: number) {
  const seated: string[] = [];
  const places = createPlaces<string>(count, (guest) => seated.push(guest));
  return { places, seated };
}

test("gives out as many places as there are at once, and the next one when one is given back", () => {
  const { places, seated } = rig(2);
  for (const guest of ["a", "b", "c", "d"]) places.enter(guest);
  expect(seated).toEqual(["a", "b"]);
  places.leave();
  expect(seated).toEqual(["a", "b", "c"]);
});

test("lets nobody in before those who stand in line, not even who comes while a place is handed on", () => {
  const seated: string[] = [];
  const places = createPlaces<string>(1, (guest) => {
    seated.push(guest);
    if (guest === "waiting") places.enter("late");
  });
  places.enter("a");
  places.enter("waiting");
  places.leave();
  expect(seated).toEqual(["a", "waiting"]);
  places.leave();
  expect(seated).toEqual(["a", "waiting", "late"]);
});

test("has all places again when all have left", () => {
  const { places, seated } = rig(2);
  for (const guest of ["a", "b", "c"]) places.enter(guest);
  for (let left = 0; left < 3; left++) places.leave();
  for (const guest of ["d", "e", "f"]) places.enter(guest);
  expect(seated).toEqual(["a", "b", "c", "d", "e"]);
});
