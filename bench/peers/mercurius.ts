// Mercurius, with its own loaders for the relation; with the argument "jit" each query is compiled after it was run once.

import fastify from "fastify";
import { mercurius } from "mercurius";
import { type Flow, listening, openTables, SDL, VARIANT } from "./flows.ts";

const tables = openTables();
const app = fastify();
await app.register(mercurius, {
  schema: SDL,
  resolvers: {
    Query: { flows: (_root: unknown, { first }: { first: number }) => ({ first }) },
    FlowConnection: { nodes: ({ first }: { first: number }) => tables.newestFlows(first) },
  },
  loaders: {
    Flow: {
      device: {
        loader: (queries: { obj: Flow }[]) => tables.devices(queries.map(({ obj }) => obj.deviceId)),
        // Its cache serialises each row to have a key: devices that stand twice on a page are looked up once without it, too.
        opts: { cache: false },
      },
    },
  },
  ...(VARIANT === "jit" && { jit: 1 }),
});
listening(`${await app.listen({ host: "127.0.0.1", port: 0 })}/graphql`);
