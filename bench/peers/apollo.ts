// Apollo Server on its own HTTP server, with a DataLoader per request for the relation.

import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import DataLoader from "dataloader";
import { type Device, type Flow, listening, openTables, SDL } from "./flows.ts";

type Context = { readonly devices: DataLoader<string, Device | null> };

const tables = openTables();
const server = new ApolloServer<Context>({
  typeDefs: SDL,
  resolvers: {
    Query: { flows: (_root: unknown, { first }: { first: number }) => ({ first }) },
    FlowConnection: { nodes: ({ first }: { first: number }) => tables.newestFlows(first) },
    Flow: { device: ({ deviceId }: Flow, _args: unknown, { devices }: Context) => devices.load(deviceId) },
  },
});
const { url } = await startStandaloneServer(server, {
  listen: { host: "127.0.0.1", port: 0 },
  context: async () => ({ devices: new DataLoader<string, Device | null>((ids) => tables.devices(ids)) }),
});
listening(url);
