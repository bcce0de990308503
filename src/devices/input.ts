// What a device may be given.

import { invalid, type UserError } from "../lib/errors.ts";

export type TransportName = "WHATSAPP" | "SIMULATOR";

export type NewDevice = {
  readonly name: string;
  readonly transport: TransportName;
  readonly hourlyLimit: number;
  readonly dailyLimit: number;
  readonly rampDays?: number | null | undefined;
  readonly simulatedLatencyMs?: number | null | undefined;
  readonly simulatedFailureRate?: number | null | undefined;
};

export type DeviceChange = {
  readonly name?: string | null | undefined;
  readonly hourlyLimit?: number | null | undefined;
  readonly dailyLimit?: number | null | undefined;
  readonly rampDays?: number | null | undefined;
};

const MAX_NAME_LENGTH = 200;
const MAX_LIMIT = 100_000;
const MAX_LATENCY_MS = 600_000;
const MAX_RAMP_DAYS = 90;

export function deviceProblems(input: DeviceChange & Pick<Partial<NewDevice>, "transport" | "simulatedLatencyMs" | "simulatedFailureRate">): UserError[] {
  const problems: UserError[] = [];
  const { name, rampDays, simulatedLatencyMs: latency, simulatedFailureRate: rate } = input;
  if (name !== undefined && (name === null || name.trim() === "" || name.trim().length > MAX_NAME_LENGTH)) {
    problems.push(invalid(`A device's name must have 1 to ${MAX_NAME_LENGTH} characters.`, "input", "name"));
  }
  for (const field of ["hourlyLimit", "dailyLimit"] as const) {
    const limit = input[field];
    if (limit !== undefined && (limit === null || limit < 1 || limit > MAX_LIMIT)) {
      problems.push(invalid(`${field} must be a number from 1 to ${MAX_LIMIT.toLocaleString("en")}, not ${limit}.`, "input", field));
    }
  }
  if (rampDays != null && !(rampDays >= 0 && rampDays <= MAX_RAMP_DAYS)) {
    problems.push(invalid(`rampDays must be from 0 to ${MAX_RAMP_DAYS}, not ${rampDays}.`, "input", "rampDays"));
  }
  for (const field of ["simulatedLatencyMs", "simulatedFailureRate"] as const) {
    if (input.transport !== "WHATSAPP" || input[field] == null) continue;
    problems.push(invalid(`${field} is for a SIMULATOR; leave it out for a WHATSAPP device.`, "input", field));
  }
  if (input.transport === "WHATSAPP") return problems;
  if (latency != null && (latency < 0 || latency > MAX_LATENCY_MS)) {
    problems.push(
      invalid(
        `simulatedLatencyMs must be 0 to ${MAX_LATENCY_MS.toLocaleString("en")} milliseconds, not ${latency}.`,
        "input",
        "simulatedLatencyMs",
      ),
    );
  }
  if (rate != null && !(rate >= 0 && rate <= 1)) {
    problems.push(invalid(`simulatedFailureRate is a share from 0 to 1, not ${rate}.`, "input", "simulatedFailureRate"));
  }
  return problems;
}
