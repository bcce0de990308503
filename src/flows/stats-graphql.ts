import { builder } from "../graphql/builder.ts";
import { badUserInput } from "../graphql/errors.ts";
import { FlowFilterInput, flowFilterOf } from "./refs.ts";
import { flowStats, type FlowStats, spanProblem, STATS_GROUPS } from "./stats.ts";

const FlowStatsGroupEnum = builder.enumType("FlowStatsGroup", { values: STATS_GROUPS });

const FlowStatsType = builder.objectRef<FlowStats>("FlowStats").implement({
  description: "Counts of flows by outcome, in one group. What was taken for failed and arrived after all counts as both.",
  fields: (t) => ({
    key: t.exposeString("key", { description: "The group: a time, or the id or code that was grouped by." }),
    at: t.expose("at", { type: "DateTime", nullable: true, description: "The beginning of a bucket of time; null in other groups." }),
    sent: t.exposeInt("sent"),
    delivered: t.exposeInt("delivered"),
    read: t.exposeInt("read"),
    failed: t.exposeInt("failed"),
    skipped: t.exposeInt("skipped"),
  }),
});

builder.queryField("flowStats", (t) =>
  t.field({
    type: [FlowStatsType],
    description:
      "Flows by outcome over a span, grouped; with TIME, in buckets of so many seconds (3600), those without anything too. What counts is when it happened: a message that was sent before the span and read in it counts as read.",
    args: {
      from: t.arg({ type: "DateTime", required: true }),
      to: t.arg({ type: "DateTime", required: true }),
      groupBy: t.arg({ type: FlowStatsGroupEnum, required: true }),
      bucketSeconds: t.arg.int(),
      filter: t.arg({ type: FlowFilterInput }),
    },
    resolve: (_root, { bucketSeconds, filter, ...given }, { db }) => {
      const span = { ...given, bucketSeconds: bucketSeconds ?? 3600 };
      const problem = spanProblem(span);
      if (problem) throw badUserInput(problem);
      return flowStats(db, span, flowFilterOf(filter));
    },
  }),
);
