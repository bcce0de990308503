import { GraphQLError } from "graphql";
import { builder } from "./builder.ts";
import { parseCursor, parseDateTime, parseFile, parseJsonObject, parseLocalTime, parsePhoneText, parseTimeZone } from "./scalars.ts";

export type BuilderTypes = typeof builder extends PothosSchemaTypes.SchemaBuilder<infer Types> ? Types : never;

builder.scalarType("DateTime", {
  description: "RFC 3339 instant in UTC, such as 2026-11-22T01:00:00.000Z.",
  serialize: (time) => time.toISOString(),
  parseValue: parseDateTime,
});

builder.scalarType("LocalTime", {
  description: "24-hour wall-clock time, HH:MM, such as 09:00.",
  // Postgres gives seconds, too.
  serialize: (time) => time.slice(0, 5),
  parseValue: parseLocalTime,
});

builder.scalarType("TimeZone", {
  description: "IANA time-zone name, such as Asia/Kuala_Lumpur.",
  serialize: (zone) => zone,
  parseValue: parseTimeZone,
});

builder.scalarType("PhoneNumber", {
  description:
    "E.164 phone number with its plus sign, such as +60123456789. Input also takes national form, read in the workspace's default country; what cannot be a phone number is rejected.",
  // Stored as digits.
  serialize: (digits) => `+${digits}`,
  parseValue: parsePhoneText,
});

builder.scalarType("JSONObject", { description: "A JSON object.", serialize: (value) => value, parseValue: parseJsonObject });

builder.scalarType("Cursor", {
  description: "Position in the workspace's event log. Opaque and ordered.",
  serialize: (cursor) => cursor,
  parseValue: parseCursor,
});

builder.scalarType("File", {
  description: "A file sent by the GraphQL multipart request specification.",
  serialize: () => {
    throw new GraphQLError("A file is only sent, never given.");
  },
  parseValue: parseFile,
});

export const OrderDirectionEnum = builder.enumType("OrderDirection", {
  description: "Which end of a list comes first.",
  values: {
    ASC: { description: "The smallest, the earliest, or the first by the alphabet." },
    DESC: { description: "The largest, the latest, or the last by the alphabet." },
  } as const,
});
