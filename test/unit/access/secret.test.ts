import { fc, test as property } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { isPlausible, newSecret, shownPrefix } from "../../../src/access/secret.ts";

test("a token is known by its prefix, and holds 256 random bits and a checksum", () => {
  const secrets = Array.from({ length: 100 }, newSecret);
  for (const secret of secrets) {
    expect(secret).toMatch(/^rentak_[\w-]{49}$/);
    expect(isPlausible(secret)).toBe(true);
  }
  expect(new Set(secrets).size).toBe(100);
  expect(shownPrefix("rentak_abcdefgh")).toBe("rentak_abcd");
});

property.prop([fc.nat(48), fc.constantFrom(..."abcdefgh0123_-")])("one that was mistyped is known as such", (at, character) => {
  const secret = newSecret();
  const place = "rentak_".length + at;
  const mistyped = secret.slice(0, place) + character + secret.slice(place + 1);
  if (mistyped !== secret) expect(isPlausible(mistyped)).toBe(false);
});

test.each(["rentak_1nMgq1RzY5hVtB8wXkq7J0m5vH3sQ2lZc4pE6yU9aTd", "my-own-long-secret-of-old", "rentak_is-my-own"])("%s has no checksum, and may be one of before or an administrator's own", (secret) => {
  expect(isPlausible(secret)).toBe(true);
});
