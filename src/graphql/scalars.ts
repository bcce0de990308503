import { badUserInput } from "./errors.ts";
import { isTimeZone } from "../lib/time-zone.ts";

/** A part of a multipart request, held in memory. */
export type UploadedFile = { readonly name: string; readonly size: number; stream(): ReadableStream<Uint8Array> };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const isUuid = (text: string): boolean => UUID.test(text);

const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 100) ?? String(value);

export function parseDateTime(value: unknown): Date {
  const wrong = () =>
    badUserInput(`${shown(value)} is no time. Write it as in RFC 3339, such as 2026-11-22T09:00:00+08:00 or 2026-11-22T01:00:00.000Z.`);
  if (typeof value !== "string") throw wrong();
  const [, year, month, day] = RFC_3339.exec(value) ?? [];
  const time = new Date(value);
  if (year === undefined || Number.isNaN(time.getTime())) throw wrong();
  // Date takes 31 February for 3 March.
  if (new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() !== Number(day)) throw wrong();
  if (time < EARLIEST || time > LATEST) throw badUserInput(`${shown(value)} lies outside the years 1 to 9999 in UTC. Write a time within them, or leave it out.`);
  return time;
}

/** Beyond, a time in ISO 8601 has a sign and six digits for its year, which Postgres does not read. */
const [EARLIEST, LATEST] = [new Date("0001-01-01T00:00:00.000Z"), new Date("9999-12-31T23:59:59.999Z")];

const LOCAL_TIME = /^([01]\d|2[0-3]):[0-5]\d$/;

export function parseLocalTime(value: unknown): string {
  if (typeof value !== "string" || !LOCAL_TIME.test(value))
    throw badUserInput(`${shown(value)} is no time of day. Write it as HH:MM on the 24-hour clock, such as 09:00.`);
  return value;
}

export function parseTimeZone(value: unknown): string {
  if (typeof value !== "string" || !isTimeZone(value))
    throw badUserInput(`${shown(value)} is no time zone. Use a name of the IANA list, such as Asia/Kuala_Lumpur.`);
  return value;
}

/** Only that it is text: national form can be read by who knows the workspace's country. */
export function parsePhoneText(value: unknown): string {
  if (typeof value !== "string")
    throw badUserInput(`${shown(value)} is no phone number. Write it as text in E.164, such as "+60123456789".`);
  return value;
}

export function parseJsonObject(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badUserInput(`${shown(value)} is no JSON object. Write it as {"city": "Ipoh"}.`);
  return value as Record<string, unknown>;
}

export function parseCursor(value: unknown): string {
  if (typeof value !== "string" || value === "")
    throw badUserInput(`${shown(value)} is no cursor. Pass the \`cursor\` of an event, unchanged.`);
  return value;
}

export function parseFile(value: unknown): UploadedFile {
  const isFile = typeof value === "object" && value !== null && "stream" in value && typeof value.stream === "function";
  if (!isFile)
    throw badUserInput(
      "A file is sent by the GraphQL multipart request specification: as a part of a multipart/form-data request, named in its map.",
    );
  return value as UploadedFile;
}
