import { fc, test } from "@fast-check/vitest";
import pg from "pg";
import { expect } from "vitest";
import { parseTime } from "../../../src/db/client.ts";

const byPg = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ);

const written = (time: Date, fraction: string) => `${time.toISOString().slice(0, 19).replace("T", " ")}${fraction}+00`;

test.prop([fc.date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true }), fc.constantFrom("", ".1", ".12", ".123", ".007", ".1234", ".123456", ".999999")])(
  "a time is read as pg reads it",
  (time, fraction) => {
    expect(parseTime(written(time, fraction))).toEqual(byPg(written(time, fraction)));
  },
);

test.each(["infinity", "-infinity", "2026-11-27 10:25:03.123+08", "2026-11-27 10:25:03+05:30", "10000-01-01 00:00:00+00", "0044-03-15 00:00:00+00 BC", "0050-03-15 00:00:00+00"])("%s as well", (text) => {
  expect(parseTime(text)).toEqual(byPg(text));
});
