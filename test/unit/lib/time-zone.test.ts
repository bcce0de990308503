import { describe, expect, test } from "vitest";
import { isTimeZone } from "../../../src/lib/time-zone.ts";

describe("isTimeZone", () => {
  test("takes every zone that this machine lists", () => {
    expect(Intl.supportedValuesOf("timeZone").filter((name) => !isTimeZone(name))).toEqual([]);
  });

  const good = ["Asia/Kolkata", "Europe/Kyiv", "America/Argentina/Buenos_Aires", "America/Port-au-Prince", "Etc/GMT+8", "UTC"];
  test.each(good)("takes %s", (name) => expect(isTimeZone(name)).toBe(true));

  const offsets = ["+08:00", "GMT+8", "BST", "EST5EDT", "SystemV/EST5"];
  const misspelt = ["", "asia/kuala_lumpur", "ASIA/TOKYO", "Asia/Nowhere", "Asia/", " UTC", "local"];
  test.each([...offsets, ...misspelt])("refuses '%s', also when it is asked again", (name) => {
    expect([isTimeZone(name), isTimeZone(name)]).toEqual([false, false]);
  });

  test("goes on answering rightly after thousands of names that were made up", () => {
    for (let i = 0; i < 5000; i++) isTimeZone(`Asia/${String.fromCharCode(65 + (i % 26))}${"a".repeat(1 + Math.floor(i / 26))}`);
    expect([isTimeZone("Asia/Tokyo"), isTimeZone("Asia/Aa")]).toEqual([true, false]);
  });
});
