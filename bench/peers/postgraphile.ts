// PostGraphile over the same two tables. Rentak's flows have no foreign keys, so the relation is told by a smart tag, as its documentation has it.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { jsonPgSmartTags } from "postgraphile/utils";
import { CONNECTIONS, DATABASE_URL, listening } from "./flows.ts";

console.log = () => {}; // it would tell at length of a type of Postgres's that it does not know, and nobody asks for

const tags = jsonPgSmartTags({
  version: 1,
  config: {
    class: {
      "public.flows": { tags: { foreignKey: "(device_id) references public.devices (id)|@fieldName device" } },
      "public.nodes": { tags: { name: "server_processes" } }, // "Node" is Relay's
    },
    procedure: { create_workspace: { tags: { name: "make_workspace" } } }, // there is the table's own mutation of that name
  },
});
const pgl = postgraphile({
  extends: [PostGraphileAmberPreset],
  plugins: [tags],
  pgServices: [makePgService({ connectionString: DATABASE_URL, schemas: ["public"], poolConfig: { max: CONNECTIONS } })],
  grafserv: { watch: false },
});
const server = createServer();
await pgl.createServ(grafserv).addTo(server);
server.listen(0, "127.0.0.1", () => listening(`http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`));
