import { builder } from "../graphql/builder.ts";
import { payload, payloadType } from "../graphql/payload.ts";
import { cancelFlow } from "./cancel.ts";
import { flowFilterOf, FlowFilterInput, FlowRef } from "./refs.ts";
import { retryFlow, retryFlows, type RetryCounts } from "./retry.ts";

const FlowPayload = payloadType<string>("FlowPayload", (t) => ({
  flow: t.field({
    type: FlowRef,
    nullable: true,
    description: "The flow that was cancelled, or the new one that a retry has made. Null where the call was refused.",
    resolve: ({ value }) => value,
  }),
}));

const RetryFlowsPayload = payloadType<RetryCounts>("RetryFlowsPayload", (t) => ({
  retried: t.int({ description: "Failed flows that are attempted again, each as a new flow.", resolve: ({ value }) => value?.retried ?? 0 }),
  refused: t.int({
    description: "Failed flows that may not be attempted again: opted out, superseded, not failed.",
    resolve: ({ value }) => value?.refused ?? 0,
  }),
}));

builder.mutationFields((t) => ({
  retryFlow: t.field({
    type: FlowPayload,
    description: "An operator's own decision to attempt a failed flow again, as a new flow.",
    args: { id: t.arg.globalID({ required: true, for: FlowRef }), idempotencyKey: t.arg.string() },
    resolve: (_root, { id, idempotencyKey }, context) => payload(retryFlow(context, id.id, idempotencyKey)),
  }),
  retryFlows: t.field({
    type: RetryFlowsPayload,
    description: "The same for all failed flows that match.",
    args: { filter: t.arg({ type: FlowFilterInput, required: true }), idempotencyKey: t.arg.string() },
    resolve: (_root, { filter, idempotencyKey }, context) => payload(retryFlows(context, flowFilterOf(filter), idempotencyKey)),
  }),
  cancelFlow: t.field({
    type: FlowPayload,
    description: "Cancels a message that is not attempted yet, for good; the lead goes on to the next step.",
    args: { id: t.arg.globalID({ required: true, for: FlowRef }) },
    resolve: (_root, { id }, context) => payload(cancelFlow(context, id.id)),
  }),
}));
