import { builder } from "../graphql/builder.ts";
import { connection, connectionType, pageOf } from "../graphql/connections.ts";
import type { ApiContext } from "../graphql/context.ts";
import { perRequest } from "../graphql/loaders.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { OrderDirectionEnum } from "../graphql/types.ts";
import type { WorkerStats } from "./fleet-view.ts";
import { cachedCount, cachedList, cachedLoads } from "./cached.ts";
import { followDevices } from "./changes.ts";
import { DeviceRef, DeviceStatusEnum } from "./refs.ts";
import type { TransportName } from "./input.ts";
import { rampedLimit, rampEndsAt } from "./ramp.ts";
import { loadScore } from "./score.ts";
import {
  createDevice,
  deleteDevice,
  deviceOrder,
  isAvailable,
  pauseDevice,
  resumeDevice,
  updateDevice,
  type DeviceLoad,
  type DeviceStatus,
} from "./service.ts";

const Transport = builder.enumType("Transport", {
  description: "What a device sends through.",
  values: {
    WHATSAPP: { description: "A WhatsApp account that the device is linked to." },
    SIMULATOR: { description: "Sends nothing: resolves with a set latency and failure rate. For trials, load tests and demos." },
  } as const,
});

const loadOf = perRequest<string, DeviceLoad>((ids, context) => cachedLoads(context, ids));

const DeviceLoadType = builder.objectRef<DeviceLoad & { readonly currentProcessing: number }>("DeviceLoad").implement({
  description: "How much a device has sent lately, and has to send now.",
  fields: (t) => ({
    messagesHour: t.exposeInt("messagesHour", { description: "Messages attempted in the last 60 minutes, rolling." }),
    messagesToday: t.exposeInt("messagesToday", { description: "Messages attempted in the last 24 hours, rolling." }),
    currentProcessing: t.exposeInt("currentProcessing", { description: "Flows in its worker's queue or being attempted; 0 where another process than the one that answers has the device." }),
    score: t.float({
      description: "messagesHour * 0.7 + currentProcessing * 0.3. The lowest available device is chosen.",
      resolve: (load) => loadScore(load),
    }),
  }),
});

const DeviceWorker = builder.objectRef<WorkerStats>("DeviceWorker").implement({
  description: "What sends through a device, one message after the other, in the process that has answered.",
  fields: (t) => ({
    processed: t.exposeInt("processed", { description: "Messages that it has attempted since it was started." }),
    averageSendMilliseconds: t.exposeFloat("averageSendMs", {
      nullable: true,
      description: "How long its last 100 sends took on average, in milliseconds. Null before the first.",
    }),
    queueDepth: t.exposeInt("queueDepth", { description: "Messages that wait in its queue, without the one that it is sending." }),
    errorRate: t.exposeFloat("errorRate", { description: "Failed of settled, 0 to 1, over its last 100." }),
    utilization: t.exposeFloat("utilization", { description: "Share of the last minute in which it was busy, 0 to 1." }),
    lastActivityAt: t.expose("lastActivityAt", { type: "DateTime", nullable: true, description: "When its last message ended, sent or not. Null before the first." }),
  }),
});

DeviceRef.implement({
  description: "One sender: a WhatsApp account linked as a device, or a simulated one.",
  fields: (t) => ({
    name: t.exposeString("name", { description: "What it is called." }),
    transport: t.field({ type: Transport, description: "What it sends through.", resolve: ({ transport }) => transport as TransportName }),
    phone: t.expose("phone", { type: "PhoneNumber", nullable: true, description: "Its own number, known once it is paired." }),
    status: t.field({
      type: DeviceStatusEnum,
      description: "Whether it is connected, and if not, whether that mends itself.",
      resolve: ({ status }) => status as DeviceStatus,
    }),
    statusReason: t.exposeString("statusReason", {
      nullable: true,
      description: "Why it is in this status, in words an operator can act on.",
    }),
    statusChangedAt: t.expose("statusChangedAt", { type: "DateTime", description: "Since when it is in this status." }),
    pausedAt: t.expose("pausedAt", {
      type: "DateTime",
      nullable: true,
      description: "Since when an operator has it paused; it stays connected.",
    }),
    isAvailable: t.boolean({
      description: "Online, not paused, and with room under both limits.",
      resolve: async (device, _args, context) => isAvailable(device, await loadOf(context).load(device.id), context.clock.now()),
    }),
    hourlyLimit: t.exposeInt("hourlyLimit", { description: "At most so many attempts in any 60 minutes." }),
    dailyLimit: t.exposeInt("dailyLimit", { description: "At most so many attempts in any 24 hours." }),
    effectiveHourlyLimit: t.int({
      description: "The hourly limit in force now, with the ramp of a new device worked in.",
      resolve: (device, _args, { clock }) => rampedLimit(device.hourlyLimit, device, clock.now()),
    }),
    effectiveDailyLimit: t.int({
      description: "The daily limit in force now, with the ramp of a new device worked in.",
      resolve: (device, _args, { clock }) => rampedLimit(device.dailyLimit, device, clock.now()),
    }),
    rampDays: t.exposeInt("rampDays", { description: "Over so many days, from its first time online on, its limits grow to the whole, as much more each day. 0: they are whole from the beginning." }),
    rampEndsAt: t.field({
      type: "DateTime",
      nullable: true,
      description: "When its limits are whole. Null where they are, and where it has not been online yet.",
      resolve: (device, _args, { clock }) => rampEndsAt(device, clock.now()),
    }),
    isHeldBack: t.exposeBoolean("isHeldBack", { description: "Paused until its turn comes, because the workspace lets fewer devices send for now (Workspace.maxSendingDevices)." }),
    load: t.field({
      type: DeviceLoadType,
      description: "How much it has sent lately, and has to send now.",
      resolve: async ({ id }, _args, context) => ({
        ...(await loadOf(context).load(id)),
        currentProcessing: context.fleet.worker(id)?.currentProcessing ?? 0,
      }),
    }),
    worker: t.field({
      type: DeviceWorker,
      nullable: true,
      description: "Null while no worker runs for it in the process that answers.",
      resolve: ({ id }, _args, { fleet }) => fleet.worker(id),
    }),
    createdAt: t.expose("createdAt", { type: "DateTime" }),
  }),
});

const DeviceConnection = connectionType("Device", DeviceRef, "exactly");

const DeviceFilter = builder.inputType("DeviceFilter", {
  description: "All given conditions hold.",
  fields: (t) => ({
    status: t.field({ type: [DeviceStatusEnum], description: "In one of these states." }),
    transport: t.field({ type: Transport, description: "Only those that send through this." }),
    isAvailable: t.boolean({ description: "Whether it could send now: online, not paused, and with room under both limits." }),
    isPaused: t.boolean({ description: "Whether an operator has paused it." }),
    search: t.string({ description: "Part of the name or the number." }),
  }),
});

const DeviceOrderField = builder.enumType("DeviceOrderField", {
  values: {
    NAME: { description: "Its name." },
    MESSAGES_HOUR: { description: "Messages attempted in the last 60 minutes." },
    MESSAGES_TODAY: { description: "Messages attempted in the last 24 hours." },
    STATUS_CHANGED_AT: { description: "Since when it is in its status." },
  } as const,
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
    description: "The device with this id. Null where there is none.",
    args: { id: t.arg.globalID({ required: true, for: DeviceRef }) },
    resolve: (_root, { id }) => id.id,
  }),
  devices: t.field({
    type: DeviceConnection,
    description: "The workspace's devices.",
    args: {
      ...t.arg.connectionArgs(),
      filter: t.arg({ type: DeviceFilter }),
      orderBy: t.arg({ type: DeviceOrder, description: "The list's order; the oldest first where it is left out." }),
    },
    resolve: async (_root, { filter, orderBy, ...args }, context) => {
      const order = deviceOrder(orderBy?.field, orderBy?.direction === "DESC");
      const wanted = filter ?? {};
      return connection(await cachedList(context, wanted, order, pageOf(args, order)), order, () => cachedCount(context, wanted));
    },
  }),
}));

const CreateDeviceInput = builder.inputType("CreateDeviceInput", {
  description: "A device to be made.",
  fields: (t) => ({
    name: t.string({ required: true }),
    transport: t.field({ type: Transport, required: true, defaultValue: "WHATSAPP", description: "What it sends through. It cannot be changed later." }),
    hourlyLimit: t.int({ required: true, defaultValue: 80 }),
    dailyLimit: t.int({ required: true, defaultValue: 800 }),
    rampDays: t.int(),
    simulatedLatencyMs: t.int({ description: "SIMULATOR only: how long a send takes, in milliseconds, 0 to 600,000; 200 where it is left out." }),
    simulatedFailureRate: t.float({ description: "SIMULATOR only: what share of sends fails, 0 to 1; none where it is left out." }),
    idempotencyKey: t.string(),
  }),
});

const UpdateDeviceInput = builder.inputType("UpdateDeviceInput", {
  description: "What is to be changed of a device. What is left out stays as it is.",
  fields: (t) => ({
    id: t.globalID({ required: true, for: [DeviceRef] }),
    name: t.string(),
    hourlyLimit: t.int(),
    dailyLimit: t.int(),
    rampDays: t.int(),
  }),
});

export const DevicePayload = payloadType<string>("DevicePayload", (t) => ({
  device: t.field({ type: DeviceRef, nullable: true, description: "The device as it is now. Null where the call was refused.", resolve: ({ value }) => value }),
}));

const DeleteDevicePayload = payloadType<string>("DeleteDevicePayload", (t) => ({
  deletedDeviceId: t.globalID({
    nullable: true,
    description: "The id that it had. Null where the call was refused.",
    resolve: ({ value }) => value && { type: DeviceRef, id: value },
  }),
}));

const deviceId =
  <T>(run: (context: ApiContext, id: string) => T) =>
  (_root: unknown, { id }: { id: { id: string } }, context: ApiContext) =>
    run(context, id.id);

builder.mutationFields((t) => ({
  createDevice: t.field({
    type: DevicePayload,
    description: "Makes a device. A WhatsApp one has to be paired before it sends (pairDevice); a simulated one is ready as it is.",
    args: { input: t.arg({ type: CreateDeviceInput, required: true }) },
    resolve: (_root, { input }, context) => payload(createDevice(context, input)),
  }),
  updateDevice: t.field({
    type: DevicePayload,
    description: "Changes a device's name and limits, which hold from its next message on. What is left out stays as it is.",
    args: { input: t.arg({ type: UpdateDeviceInput, required: true }) },
    resolve: (_root, { input: { id, ...change } }, context) => payload(updateDevice(context, id.id, change)),
  }),
  pauseDevice: t.field({
    type: DevicePayload,
    description: "Attempts nothing new through the device; it stays connected, and people's replies are still heard. Other devices go on. resumeDevice takes it back.",
    args: { id: t.arg.globalID({ required: true, for: DeviceRef }) },
    resolve: deviceId((context, id) => payload(pauseDevice(context, id))),
  }),
  resumeDevice: t.field({
    type: DevicePayload,
    description: "Lets a paused device send again.",
    args: { id: t.arg.globalID({ required: true, for: DeviceRef }) },
    resolve: deviceId((context, id) => payload(resumeDevice(context, id))),
  }),
  deleteDevice: t.field({
    type: DeleteDevicePayload,
    description: "Removes a device and its credentials, for good. What waited for it goes to other devices; what it has sent stays on record.",
    args: { id: t.arg.globalID({ required: true, for: DeviceRef }) },
    resolve: deviceId((context, id) => payload(deleteDevice(context, id))),
  }),
}));

builder.subscriptionField("deviceLoads", (t) =>
  t.field({
    type: [DeviceRef],
    description: "The devices whose load or status changed, gathered, at most once a second. None at first.",
    subscribe: (_root, _args, context) => followDevices(context, context.signal),
    resolve: (ids) => ids,
  }),
);
