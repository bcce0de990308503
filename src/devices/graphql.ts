import { builder } from "../graphql/builder.ts";
import { connection, connectionType, pageOf } from "../graphql/connections.ts";
import type { ApiContext } from "../graphql/context.ts";
import { perRequest } from "../graphql/loaders.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { OrderDirectionEnum } from "../graphql/types.ts";
import type { WorkerStats } from "./fleet-view.ts";
import { followDevices } from "./changes.ts";
import { DeviceRef, DeviceStatusEnum } from "./refs.ts";
import type { TransportName } from "./input.ts";
import { loadScore } from "./score.ts";
import {
  countDevices,
  createDevice,
  deleteDevice,
  deviceLoads,
  deviceOrder,
  isAvailable,
  listDevices,
  pauseDevice,
  resumeDevice,
  updateDevice,
  type DeviceLoad,
  type DeviceStatus,
} from "./service.ts";

const Transport = builder.enumType("Transport", {
  values: {
    WHATSAPP: {},
    SIMULATOR: { description: "Sends nothing: resolves with a set latency and failure rate. For trials, load tests and demos." },
  } as const,
});

const loadOf = perRequest<string, DeviceLoad>((ids, { db }) => deviceLoads(db, ids));

const DeviceLoadType = builder.objectRef<DeviceLoad & { readonly currentProcessing: number }>("DeviceLoad").implement({
  fields: (t) => ({
    messagesHour: t.exposeInt("messagesHour", { description: "Messages attempted in the last 60 minutes, rolling." }),
    messagesToday: t.exposeInt("messagesToday", { description: "Messages attempted in the last 24 hours, rolling." }),
    currentProcessing: t.exposeInt("currentProcessing", { description: "Flows in its worker's queue or being attempted." }),
    score: t.float({
      description: "messagesHour * 0.7 + currentProcessing * 0.3. The lowest available device is chosen.",
      resolve: (load) => loadScore(load),
    }),
  }),
});

const DeviceWorker = builder.objectRef<WorkerStats>("DeviceWorker").implement({
  fields: (t) => ({
    processed: t.exposeInt("processed"),
    averageSendMilliseconds: t.exposeFloat("averageSendMs", { nullable: true }),
    queueDepth: t.exposeInt("queueDepth"),
    errorRate: t.exposeFloat("errorRate", { description: "Failed of settled, 0 to 1, over its last 100." }),
    utilization: t.exposeFloat("utilization", { description: "Share of the last minute in which it was busy, 0 to 1." }),
    lastActivityAt: t.expose("lastActivityAt", { type: "DateTime", nullable: true }),
  }),
});

DeviceRef.implement({
  description: "One sender: a WhatsApp account linked as a device, or a simulated one.",
  fields: (t) => ({
    name: t.exposeString("name"),
    transport: t.field({ type: Transport, resolve: ({ transport }) => transport as TransportName }),
    phone: t.expose("phone", { type: "PhoneNumber", nullable: true, description: "Its own number, known once it is paired." }),
    status: t.field({ type: DeviceStatusEnum, resolve: ({ status }) => status as DeviceStatus }),
    statusReason: t.exposeString("statusReason", {
      nullable: true,
      description: "Why it is in this status, in words an operator can act on.",
    }),
    statusChangedAt: t.expose("statusChangedAt", { type: "DateTime" }),
    pausedAt: t.expose("pausedAt", {
      type: "DateTime",
      nullable: true,
      description: "Since when an operator has it paused; it stays connected.",
    }),
    isAvailable: t.boolean({
      description: "Online, not paused, and with room under both limits.",
      resolve: async (device, _args, context) => isAvailable(device, await loadOf(context).load(device.id)),
    }),
    hourlyLimit: t.exposeInt("hourlyLimit"),
    dailyLimit: t.exposeInt("dailyLimit"),
    effectiveHourlyLimit: t.exposeInt("hourlyLimit", { description: "The limits in force now, with the ramp of a new device worked in." }),
    effectiveDailyLimit: t.exposeInt("dailyLimit"),
    load: t.field({
      type: DeviceLoadType,
      resolve: async ({ id }, _args, context) => ({
        ...(await loadOf(context).load(id)),
        currentProcessing: context.fleet.worker(id)?.currentProcessing ?? 0,
      }),
    }),
    worker: t.field({
      type: DeviceWorker,
      nullable: true,
      description: "Null while no worker is running for it.",
      resolve: ({ id }, _args, { fleet }) => fleet.worker(id),
    }),
    createdAt: t.expose("createdAt", { type: "DateTime" }),
  }),
});

const DeviceConnection = connectionType("Device", DeviceRef, "exactly");

const DeviceFilter = builder.inputType("DeviceFilter", {
  fields: (t) => ({
    status: t.field({ type: [DeviceStatusEnum] }),
    transport: t.field({ type: Transport }),
    isAvailable: t.boolean(),
    isPaused: t.boolean(),
    search: t.string({ description: "Part of the name or the number." }),
  }),
});

const DeviceOrderField = builder.enumType("DeviceOrderField", {
  values: ["NAME", "MESSAGES_HOUR", "MESSAGES_TODAY", "STATUS_CHANGED_AT"] as const,
});

const DeviceOrder = builder.inputType("DeviceOrder", {
  fields: (t) => ({
    field: t.field({ type: DeviceOrderField, required: true }),
    direction: t.field({ type: OrderDirectionEnum, required: true }),
  }),
});

builder.queryFields((t) => ({
  device: t.field({
    type: DeviceRef,
    nullable: true,
    args: { id: t.arg.globalID({ required: true, for: DeviceRef }) },
    resolve: (_root, { id }) => id.id,
  }),
  devices: t.field({
    type: DeviceConnection,
    args: { ...t.arg.connectionArgs(), filter: t.arg({ type: DeviceFilter }), orderBy: t.arg({ type: DeviceOrder }) },
    resolve: async (_root, { filter, orderBy, ...args }, { db }) => {
      const order = deviceOrder(orderBy?.field, orderBy?.direction === "DESC");
      const wanted = filter ?? {};
      return connection(await listDevices(db, wanted, order, pageOf(args, order)), order, () => countDevices(db, wanted));
    },
  }),
}));

const CreateDeviceInput = builder.inputType("CreateDeviceInput", {
  fields: (t) => ({
    name: t.string({ required: true }),
    transport: t.field({ type: Transport, required: true, defaultValue: "WHATSAPP" }),
    hourlyLimit: t.int({ required: true, defaultValue: 80 }),
    dailyLimit: t.int({ required: true, defaultValue: 800 }),
    simulatedLatencyMs: t.int({ description: "SIMULATOR only: how long a send takes, and what share of sends fails (0 to 1)." }),
    simulatedFailureRate: t.float(),
    idempotencyKey: t.string(),
  }),
});

const UpdateDeviceInput = builder.inputType("UpdateDeviceInput", {
  fields: (t) => ({
    id: t.globalID({ required: true, for: [DeviceRef] }),
    name: t.string(),
    hourlyLimit: t.int(),
    dailyLimit: t.int(),
  }),
});

export const DevicePayload = payloadType<string>("DevicePayload", (t) => ({
  device: t.field({ type: DeviceRef, nullable: true, resolve: ({ value }) => value }),
}));

const DeleteDevicePayload = payloadType<string>("DeleteDevicePayload", (t) => ({
  deletedDeviceId: t.globalID({ nullable: true, resolve: ({ value }) => value && { type: DeviceRef, id: value } }),
}));

const deviceId =
  <T>(run: (context: ApiContext, id: string) => T) =>
  (_root: unknown, { id }: { id: { id: string } }, context: ApiContext) =>
    run(context, id.id);

builder.mutationFields((t) => ({
  createDevice: t.field({
    type: DevicePayload,
    args: { input: t.arg({ type: CreateDeviceInput, required: true }) },
    resolve: (_root, { input }, context) => payload(createDevice(context, input)),
  }),
  updateDevice: t.field({
    type: DevicePayload,
    args: { input: t.arg({ type: UpdateDeviceInput, required: true }) },
    resolve: (_root, { input: { id, ...change } }, context) => payload(updateDevice(context, id.id, change)),
  }),
  pauseDevice: t.field({
    type: DevicePayload,
    args: { id: t.arg.globalID({ required: true, for: DeviceRef }) },
    resolve: deviceId((context, id) => payload(pauseDevice(context, id))),
  }),
  resumeDevice: t.field({
    type: DevicePayload,
    args: { id: t.arg.globalID({ required: true, for: DeviceRef }) },
    resolve: deviceId((context, id) => payload(resumeDevice(context, id))),
  }),
  deleteDevice: t.field({
    type: DeleteDevicePayload,
    args: { id: t.arg.globalID({ required: true, for: DeviceRef }) },
    resolve: deviceId((context, id) => payload(deleteDevice(context, id))),
  }),
}));

builder.subscriptionField("deviceLoads", (t) =>
  t.field({
    type: [DeviceRef],
    description: "The devices whose load or status changed, gathered, at most once a second. None at first.",
    subscribe: (_root, _args, { db, watch, signal }) => followDevices(watch, db, signal),
    resolve: (ids) => ids,
  }),
);
