import { builder } from "../graphql/builder.ts";

builder.queryField("eventCursor", (t) =>
  t.field({
    type: "Cursor",
    description: "Where the event log ends now. Kept before the first event has come, it is what to pass as `after`: nothing that happens from now on is missed.",
    resolve: (_root, _args, { events }) => events.end(),
  }),
);
