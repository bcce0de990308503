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
    name: t.exposeString("name", { description: "What the process is called: RENTAK_NODE_NAME, or its host and port." }),
    startedAt: t.expose("startedAt", { type: "DateTime", description: "When it was started." }),
    heartbeatAt: t.expose("heartbeatAt", { type: "DateTime", description: "When it last said that it is alive. One that has not for a minute is not listed." }),
    devices: t.exposeInt("devices", { description: "Devices that it holds, of all workspaces." }),
    activeWorkers: t.exposeInt("activeWorkers", { description: "Workers that run, one a device: of those that have something to send, or had a few minutes ago." }),
    lastTickAt: t.expose("lastTickAt", { type: "DateTime", nullable: true, description: "When its last cycle of dispatching ended. Null before the first." }),
    lastTickMilliseconds: t.exposeFloat("lastTickMs", { nullable: true, description: "How long that cycle took, in milliseconds." }),
  }),
});

const SystemStatus = builder.objectRef<object>("SystemStatus").implement({
  description: "How the processes and the workspace's sending are doing.",
  fields: (t) => ({
    version: t.string({ description: "The server's version.", resolve: (_system, _args, { version }) => version }),
    nodes: t.field({ type: [NodeStatusType], description: "The processes that are running, by name.", resolve: (_system, _args, { db }) => runningNodes(db) }),
    devicesOnline: t.int({
      description: "The workspace's devices that are online, paused ones included.",
      resolve: async (_system, _args, context) => (await devicesNow(context).load("now")).online,
    }),
    devicesAvailable: t.int({
      description: "The workspace's devices that could send now: online, not paused, and with room under both limits.",
      resolve: async (_system, _args, context) => (await devicesNow(context).load("now")).available,
    }),
    flowsDue: t.int({
      description: "Flows that are due and not yet attempted.",
      resolve: async (_system, _args, context) => (await dueNow(context).load("now")).count,
    }),
    flowsProcessing: t.int({ description: "Flows that are being attempted, and are not settled yet.", resolve: (_system, _args, { db }) => processingFlows(db) }),
    sentLastMinute: t.int({
      description: "Sent in the last minute.",
      resolve: async (_system, _args, context) => (await minute(context).load("now")).sent,
    }),
    failedLastMinute: t.int({ description: "Failed in the last minute.", resolve: async (_system, _args, context) => (await minute(context).load("now")).failed }),
    oldestDueSeconds: t.float({
      description: "Age in seconds of the oldest due flow that a device could send.",
      resolve: async (_system, _args, context) => {
        const [{ available }, { oldestSeconds }] = await Promise.all([devicesNow(context).load("now"), dueNow(context).load("now")]);
        return available > 0 ? oldestSeconds : 0;
      },
    }),
  }),
});

builder.queryField("system", (t) => t.field({ type: SystemStatus, description: "How the processes and the workspace's sending are doing now.", resolve: () => ({}) }));

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
