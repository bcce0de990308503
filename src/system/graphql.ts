import { builder } from "../graphql/builder.ts";
import { perRequest } from "../graphql/loaders.ts";
import { deviceCounts, dueFlows, lastMinute, processingFlows, runningNodes, type NodeStatus } from "./service.ts";

// Each is read only where a field asks for it, and once where several do.
const devicesNow = perRequest<"now", Awaited<ReturnType<typeof deviceCounts>>>(async (_keys, { db }) => [await deviceCounts(db)]);
const dueNow = perRequest<"now", Awaited<ReturnType<typeof dueFlows>>>(async (_keys, { db }) => [await dueFlows(db)]);
const minute = perRequest<"now", Awaited<ReturnType<typeof lastMinute>>>(async (_keys, { db }) => [await lastMinute(db)]);

const NodeStatusType = builder.objectRef<NodeStatus>("NodeStatus").implement({
  description: "One running process.",
  fields: (t) => ({
    name: t.exposeString("name"),
    startedAt: t.expose("startedAt", { type: "DateTime" }),
    heartbeatAt: t.expose("heartbeatAt", { type: "DateTime" }),
    devices: t.exposeInt("devices"),
    activeWorkers: t.exposeInt("activeWorkers"),
    lastTickAt: t.expose("lastTickAt", { type: "DateTime", nullable: true }),
    lastTickMilliseconds: t.exposeFloat("lastTickMs", { nullable: true }),
  }),
});

const SystemStatus = builder.objectRef<object>("SystemStatus").implement({
  fields: (t) => ({
    version: t.string({ resolve: (_system, _args, { version }) => version }),
    nodes: t.field({ type: [NodeStatusType], resolve: (_system, _args, { db }) => runningNodes(db) }),
    devicesOnline: t.int({ resolve: async (_system, _args, context) => (await devicesNow(context).load("now")).online }),
    devicesAvailable: t.int({ resolve: async (_system, _args, context) => (await devicesNow(context).load("now")).available }),
    flowsDue: t.int({
      description: "Flows that are due and not yet attempted.",
      resolve: async (_system, _args, context) => (await dueNow(context).load("now")).count,
    }),
    flowsProcessing: t.int({ resolve: (_system, _args, { db }) => processingFlows(db) }),
    sentLastMinute: t.int({
      description: "Sent in the last minute.",
      resolve: async (_system, _args, context) => (await minute(context).load("now")).sent,
    }),
    failedLastMinute: t.int({ resolve: async (_system, _args, context) => (await minute(context).load("now")).failed }),
    oldestDueSeconds: t.float({
      description: "Age in seconds of the oldest due flow that a device could send.",
      resolve: async (_system, _args, context) => {
        const [{ available }, { oldestSeconds }] = await Promise.all([devicesNow(context).load("now"), dueNow(context).load("now")]);
        return available > 0 ? oldestSeconds : 0;
      },
    }),
  }),
});

builder.queryField("system", (t) => t.field({ type: SystemStatus, resolve: () => ({}) }));

builder.subscriptionField("systemStatus", (t) =>
  t.field({
    type: SystemStatus,
    description: "The system as it is now, then each second.",
    subscribe: (_root, _args, { watch, signal }) => {
      let looks = 0;
      // Only what is asked for is read: whether anything has changed is not looked for.
      return watch(async () => ({ value: {}, sign: ++looks, isOver: false }), signal);
    },
    resolve: () => ({}),
  }),
);
