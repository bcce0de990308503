import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { excerpt, storable } from "../../../src/lib/text.ts";

const anyText = fc.string({ unit: "binary" }).map((text) => `${text}\0\ud800`);

describe("storable", () => {
  test.prop([anyText])("leaves nothing that Postgres would refuse", (text) => {
    expect(storable(text)).not.toContain("\0");
    expect(storable(text).isWellFormed()).toBe(true);
  });

  test.prop([fc.string({ unit: "grapheme" })])("leaves a text alone that is fit already", (text) => {
    fc.pre(!text.includes("\0"));
    expect(storable(text)).toBe(text);
  });
});

describe("excerpt", () => {
  test.prop([anyText, fc.nat(50)])("is short, on one line, and fit to be stored", (text, length) => {
    const quoted = excerpt(text, length);
    expect(quoted.length).toBeLessThanOrEqual(length + 1);
    expect(quoted).not.toMatch(/[\n\r\0]/);
    expect(quoted.isWellFormed()).toBe(true);
  });
});
