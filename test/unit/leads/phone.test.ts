import { fc, test } from "@fast-check/vitest";
import { getCountries } from "libphonenumber-js/min";
import { describe, expect } from "vitest";
import { formatPhone, parsePhone } from "../../../src/leads/phone.ts";

describe("parsePhone", () => {
  test.each([
    ["+60123456789", "MY"],
    ["+60 12-345 6789", "US"],
    ["0123456789", "MY"],
    ["012-345 6789", "MY"],
    ["60123456789", "MY"],
    ["0060123456789", "MY"],
    ["00 60 12 345 6789", "US"],
    ["０１２３４５６７８９", "MY"],
    [" \u202a+60 12-345 6789\u202c ", "MY"],
    ["+60123456789", "no country"],
  ])("reads %s in %s", (input, country) => expect(parsePhone(input, country)).toEqual({ ok: true, phone: "60123456789" }));

  const malaysian = "write it like +60123456789";
  test.each([
    ["123", "MY", `'123' is too short for a phone number of Malaysia (MY); ${malaysian}`],
    ["447700900123", "MY", `'447700900123' is too long for a phone number of Malaysia (MY); ${malaysian}`],
    ["2345678", "US", "'2345678' is too short for a phone number of United States (US); write it like +12015550123"],
    ["+4477009001234", "MY", `'+4477009001234' is too long for a phone number of country code +44; ${malaysian}`],
    ["+999123456789", "MY", `'+999123456789' begins with no country code that exists; ${malaysian}`],
    ["", "MY", `The phone number is empty; ${malaysian}`],
    ["Aisha", "MY", `'Aisha' is not a phone number; ${malaysian}`],
    ["call 0123456789", "MY", `'call 0123456789' is not a phone number; ${malaysian}`],
    ["012-345 6789 ext 5", "MY", `'012-345 6789 ext 5' has an extension, which WhatsApp cannot reach; ${malaysian}`],
    ["60123456789.0", "MY", `'60123456789.0' is a number as a spreadsheet rewrites it; format the column as text; ${malaysian}`],
    ["6.01E+10", "MY", `'6.01E+10' is a number as a spreadsheet rewrites it; format the column as text; ${malaysian}`],
    ["0".repeat(5000), "MY", `'${"0".repeat(40)}…' is too long for a phone number; ${malaysian}`],
  ])("refuses %s in %s with the reason", (input, country, reason) => expect(parsePhone(input, country)).toEqual({ ok: false, reason }));

  test("takes the 1,000 British numbers that are set aside for fiction", () => {
    const fictitious = Array.from({ length: 1000 }, (_, i) => String(447700900000 + i));
    expect(fictitious.filter((digits) => parsePhone(formatPhone(digits), "MY").ok)).toEqual(fictitious);
  });

  const digits = fc.tuple(fc.constantFrom("", "+", "00", "0"), fc.stringMatching(/^\d{4,16}$/)).map((parts) => parts.join(""));
  const written = fc.oneof(digits, fc.stringMatching(/^[+\d .()/-]{0,20}$/), fc.string({ unit: "binary" }));

  test.prop([written, fc.constantFrom(...getCountries(), "XX")], { numRuns: 2000 })(
    "gives digits that fit E.164 and read back as themselves, or a reason that can be stored",
    (input, country) => {
      const parsed = parsePhone(input, country);
      if (parsed.ok) {
        expect(parsed.phone).toMatch(/^[1-9]\d{5,14}$/);
        expect(parsePhone(formatPhone(parsed.phone), country)).toEqual(parsed);
      } else {
        expect(parsed.reason).toMatch(/write it like \+\d+$/);
        expect(parsed.reason.isWellFormed() && !parsed.reason.includes("\0")).toBe(true);
      }
    },
  );
});
