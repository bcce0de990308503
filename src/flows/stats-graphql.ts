import { builder } from "../graphql/builder.ts";
import { describedEnum } from "../graphql/described-enum.ts";
import { badUserInput } from "../graphql/errors.ts";
import { FlowFilterInput, flowFilterOf } from "./refs.ts";
import { flowStats, type FlowStats, spanProblem, STATS_GROUPS } from "./stats.ts";

const FlowStatsGroupEnum = describedEnum("FlowStatsGroup", "What flows are counted by.", STATS_GROUPS, {
  TIME: "Each bucket of so many seconds, in order, those without anything too.",
  SEQUENCE: "Each sequence, the one with the most first; campaigns' messages are left out.",
  CAMPAIGN: "Each campaign, the one with the most first; sequences' messages are left out.",
  DEVICE: "Each device, the one with the most first; what was not attempted is left out.",
  FAILURE_CODE: "Each reason of failures, the most frequent first. Only failures are counted.",
});

const FlowStatsType = builder.objectRef<FlowStats>("FlowStats").implement({
  description: "Counts of flows by outcome, in one group. What was taken for failed and arrived after all counts as both.",
  fields: (t) => ({
    key: t.exposeString("key", { description: "The group: a time, or the id or code that was grouped by." }),
    at: t.expose("at", { type: "DateTime", nullable: true, description: "The beginning of a bucket of time; null in other groups." }),
    sent: t.exposeInt("sent", { description: "How many were sent in it." }),
    delivered: t.exposeInt("delivered", { description: "How many were delivered in it, as far as WhatsApp has told." }),
    read: t.exposeInt("read", { description: "How many were read in it, as far as the recipients let WhatsApp tell." }),
    failed: t.exposeInt("failed", { description: "How many failed in it." }),
    skipped: t.exposeInt("skipped", { description: "How many were skipped in it, because a rule said no." }),
  }),
});

builder.queryField("flowStats", (t) =>
  t.field({
    type: [FlowStatsType],
    description:
      "Flows by outcome over a span, grouped; with TIME, in buckets of so many seconds (3600), those without anything too. What counts is when it happened: a message that was sent before the span and read in it counts as read.",
    args: {
      from: t.arg({ type: "DateTime", required: true, description: "The beginning of the span, itself included; the first bucket begins with it." }),
      to: t.arg({ type: "DateTime", required: true, description: "The end of the span, itself not included." }),
      groupBy: t.arg({ type: FlowStatsGroupEnum, required: true, description: "What a count is made for." }),
      bucketSeconds: t.arg.int({ description: "With TIME: how long a bucket is, in seconds; 3,600 where it is left out. At most 5,000 buckets are given." }),
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
