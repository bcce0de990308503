import { and, eq, getTableColumns, ilike, inArray, isNotNull, isNull, like, or, sql, type SQL } from "drizzle-orm";
import type { PgUpdateSetSource } from "drizzle-orm/pg-core";
import { idempotent, WITHIN_INPUT } from "../access/idempotency.ts";
import type { Cache } from "../cache/cache.ts";
import { isOneOf } from "../db/ids.ts";
import { columnsOf, rowsOf } from "../db/rows.ts";
import { pageClauses, slicePage, type Count, type Order, type Page, type Slice } from "../db/pages.ts";
import { devices } from "../db/tables/devices.ts";
import { flows } from "../db/tables/flows.ts";
import type { WorkspaceDb } from "../db/workspace.ts";
import type { Bell } from "../events/bell.ts";
import { ok, refused, type Result, type UserError } from "../lib/errors.ts";
import { PAIR_FIRST, type SessionStatus } from "../transports/transport.ts";
import { devicesGroup } from "./cache-group.ts";
import { holdBack, lockDevices } from "./hold-back.ts";
import { dailyLimitOf, hourlyLimitOf, rampedLimit } from "./ramp.ts";
import { deviceProblems, type DeviceChange, type NewDevice, type TransportName } from "./input.ts";

export type Device = typeof devices.$inferSelect;

export type DeviceStatus = SessionStatus;

export type DeviceFilter = {
  readonly status?: readonly DeviceStatus[] | null | undefined;
  readonly transport?: TransportName | null | undefined;
  readonly isAvailable?: boolean | null | undefined;
  readonly isPaused?: boolean | null | undefined;
  readonly search?: string | null | undefined;
};

export type DeviceOrderField = "NAME" | "MESSAGES_HOUR" | "MESSAGES_TODAY" | "STATUS_CHANGED_AT";

export type DeviceLoad = { readonly messagesHour: number; readonly messagesToday: number };

/** What a write needs beside its input: the bell tells the dispatcher to look at the devices again. */
export type DeviceWrites = { readonly db: WorkspaceDb; readonly bell: Bell; readonly cache: Cache };

const COLUMNS = columnsOf(devices);

export const devicesById = (db: WorkspaceDb, ids: readonly string[]): Promise<Device[]> =>
  db.read((tx) => rowsOf(tx, sql`SELECT ${COLUMNS} FROM ${devices} WHERE ${eq(devices.workspaceId, db.id)} AND ${isOneOf(devices.id, ids)}`, "devices_by_id"));

const attemptsSince = (age: SQL): SQL<number> =>
  sql<number>`(SELECT count(*)::int FROM device_attempts a WHERE a.device_id = ${devices.id} AND a.at > now() - ${age})`;

const messagesHour = attemptsSince(sql`interval '1 hour'`);
const messagesToday = attemptsSince(sql`interval '24 hours'`);

/** Attempts in the last 60 minutes and 24 hours, both rolling, in the order of `ids`. */
export async function deviceLoads(db: WorkspaceDb, ids: readonly string[]): Promise<DeviceLoad[]> {
  const rows = await db.read((tx) =>
    tx
      .select({ id: devices.id, messagesHour, messagesToday })
      .from(devices)
      .where(isOneOf(devices.id, ids))
      .prepare("device_loads")
      .execute(),
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id) ?? { messagesHour: 0, messagesToday: 0 });
}

/** Online, not paused, and with room under both limits, at `now` (ms since the epoch). */
export const isAvailable = (device: Device, load: DeviceLoad, now: number): boolean =>
  device.status === "ONLINE" &&
  device.pausedAt === null &&
  load.messagesHour < rampedLimit(device.hourlyLimit, device, now) &&
  load.messagesToday < rampedLimit(device.dailyLimit, device, now);

const available = sql`(${devices.status} = 'ONLINE' AND ${devices.pausedAt} IS NULL
  AND ${messagesHour} < ${sql.raw(hourlyLimitOf("devices"))} AND ${messagesToday} < ${sql.raw(dailyLimitOf("devices"))})`;

const matching = (db: WorkspaceDb, filter: DeviceFilter) =>
  and(
    eq(devices.workspaceId, db.id),
    filter.status ? inArray(devices.status, [...filter.status]) : undefined,
    filter.transport ? eq(devices.transport, filter.transport) : undefined,
    filter.isAvailable == null ? undefined : sql`${available} = ${filter.isAvailable}`,
    filter.isPaused == null ? undefined : filter.isPaused ? isNotNull(devices.pausedAt) : isNull(devices.pausedAt),
    filter.search ? isFoundBy(filter.search) : undefined,
  );

function isFoundBy(text: string): SQL | undefined {
  const inName = ilike(devices.name, `%${text.replace(/[\\%_]/g, "\\$&")}%`);
  // Numbers are stored without plus sign and trunk prefix.
  const digits = /^[\d\s()+.-]+$/.test(text) ? text.replace(/\D/g, "").replace(/^0+/, "") : "";
  return digits === "" ? inName : or(inName, like(devices.phone, `%${digits}%`));
}

const VALUES = {
  NAME: { value: sql`${devices.name}`, type: "text" },
  MESSAGES_HOUR: { value: messagesHour, type: "integer" },
  MESSAGES_TODAY: { value: messagesToday, type: "integer" },
  STATUS_CHANGED_AT: { value: sql`${devices.statusChangedAt}`, type: "timestamptz" },
} as const satisfies Record<DeviceOrderField, Pick<Order, "value" | "type">>;

/** In the order in which they were made where no other is asked for. */
export const deviceOrder = (field: DeviceOrderField | undefined, descending: boolean): Order & { name: string } => ({
  name: field ? `${field}:${descending}` : "ID",
  ...(field && VALUES[field]),
  id: sql`${devices.id}`,
  descending,
});

export async function listDevices(db: WorkspaceDb, filter: DeviceFilter, order: Order, page: Page): Promise<Slice<Device>> {
  const { where, orderBy, limit, value } = pageClauses(page, order);
  const rows = await db.read((tx) =>
    tx
      .select({ ...getTableColumns(devices), value })
      .from(devices)
      .where(and(matching(db, filter), where))
      .orderBy(orderBy)
      .limit(limit),
  );
  return slicePage(rows, page);
}

export async function countDevices(db: WorkspaceDb, filter: DeviceFilter): Promise<Count> {
  return { total: await db.read((tx) => tx.$count(devices, matching(db, filter))), isExact: true };
}

/** Until a node has looked at it. */
const UNPAIRED = { status: "UNPAIRED", statusReason: PAIR_FIRST } as const;

export async function createDevice(
  writes: DeviceWrites,
  { idempotencyKey, ...input }: NewDevice & { idempotencyKey?: string | null | undefined },
): Promise<Result<string>> {
  const problems = deviceProblems(input);
  if (problems.length > 0) return refused(...problems);
  const result = await writes.db.write((tx) =>
    idempotent(tx, { key: idempotencyKey, operation: "createDevice", input, at: WITHIN_INPUT }, async () => {
      const { simulatedLatencyMs, simulatedFailureRate, rampDays, name, ...rest } = input;
      const values = {
        ...rest,
        workspaceId: writes.db.id,
        name: name.trim(),
        ...(input.transport === "WHATSAPP" && UNPAIRED),
        ...(rampDays != null && { rampDays }),
        ...(simulatedLatencyMs != null && { simulatedLatencyMs }),
        ...(simulatedFailureRate != null && { simulatedFailureRate }),
      };
      await lockDevices(tx, writes.db.id);
      const [created] = await tx.insert(devices).values(values).returning({ id: devices.id });
      await holdBack(tx, writes.db.id);
      return created ? ok(created.id) : notFound();
    }),
  );
  if (result.ok) written(writes);
  return result;
}

export async function updateDevice(writes: DeviceWrites, id: string, change: DeviceChange): Promise<Result<string>> {
  const problems = deviceProblems(change);
  if (problems.length > 0) return refused(...problems);
  const { name, hourlyLimit, dailyLimit, rampDays } = change;
  return write(writes, id, {
    ...(name != null && { name: name.trim() }),
    ...(hourlyLimit != null && { hourlyLimit }),
    ...(dailyLimit != null && { dailyLimit }),
    ...(rampDays != null && { rampDays }),
  });
}

/** It stays connected; nothing new is attempted through it. */
export const pauseDevice = (writes: DeviceWrites, id: string): Promise<Result<string>> =>
  write(writes, id, { pausedAt: sql`coalesce(${devices.pausedAt}, clock_timestamp())`, isHeldBack: false });

export const resumeDevice = (writes: DeviceWrites, id: string): Promise<Result<string>> =>
  write(writes, id, { pausedAt: null }, ({ isHeldBack }) =>
    isHeldBack ? { code: "INVALID_STATE", message: "It is held back: the workspace lets only so many devices send for now. Raise maxSendingDevices (updateWorkspace), or pause another device.", field: ["id"] } : undefined,
  );

async function write(writes: DeviceWrites, id: string, values: PgUpdateSetSource<typeof devices>, problem: (device: Device) => UserError | undefined = () => undefined): Promise<Result<string>> {
  const result = await writes.db.write(async (tx): Promise<Result<string>> => {
    await lockDevices(tx, writes.db.id);
    const [device] = await tx.select().from(devices).where(own(writes.db, id)).for("update");
    if (!device) return notFound();
    const hindrance = problem(device);
    if (hindrance) return refused(hindrance);
    // An update of nothing is no statement.
    await tx.update(devices).set({ name: sql`${devices.name}`, ...values }).where(own(writes.db, id));
    await holdBack(tx, writes.db.id);
    return ok(id);
  });
  if (result.ok) written(writes);
  return result;
}

export async function deleteDevice(writes: DeviceWrites, id: string): Promise<Result<string>> {
  const result = await writes.db.write(async (tx) => {
    await lockDevices(tx, writes.db.id);
    const deleted = await tx.delete(devices).where(own(writes.db, id)).returning({ id: devices.id });
    if (deleted.length === 0) return notFound();
    await holdBack(tx, writes.db.id);
    // What waited for this device goes to whichever is free: nobody else would ever claim it.
    await tx
      .update(flows)
      .set({ boundDeviceId: null })
      .where(and(eq(flows.boundDeviceId, id), sql`${flows.queued}`));
    return ok(id);
  });
  if (result.ok) written(writes);
  return result;
}

/** Once a change of devices is committed. */
export function written({ db, bell, cache }: DeviceWrites): void {
  cache.forget(devicesGroup(db.id));
  bell.ring("devices");
}

const own = (db: WorkspaceDb, id: string) => and(eq(devices.workspaceId, db.id), eq(devices.id, id));

const notFound = (): Result<never> => refused({ code: "NOT_FOUND", message: "There is no device with this id.", field: ["id"] });
