import { builder } from "../graphql/builder.ts";
import { perRequest } from "../graphql/loaders.ts";
import type { DiagramEdge, DiagramNode } from "./diagram.ts";
import { drawSequences, type DrawnSequence } from "./draw.ts";
import { SequenceRef, SequenceStepRef, StepBranch } from "./refs.ts";

const drawnOf = perRequest<string, DrawnSequence>((ids, { db }) => drawSequences(db, ids));

const SequenceGraphNodeKind = builder.enumType("SequenceGraphNodeKind", {
  description: "What a node of the picture stands for.",
  values: {
    STEP: { description: "A step, of this sequence or of one that it leads on to." },
    END: { description: "Leads that come here have come to the end of their sequence." },
    MISSING: { description: "No step has the trigger that leads here." },
  } as const,
});

const SequenceGraphNode = builder.objectRef<DiagramNode>("SequenceGraphNode").implement({
  description: "A step of the picture, or where a way ends.",
  fields: (t) => ({
    name: t.exposeString("name", { description: "Its name in the edges and in the Mermaid text; a step keeps it, whatever becomes of its trigger." }),
    kind: t.field({ type: SequenceGraphNodeKind, description: "What it stands for.", resolve: ({ kind }) => kind }),
    label: t.exposeString("label", { description: "What is written on it, such as 'Day 1, cold_start' or 'End'." }),
    step: t.field({ type: SequenceStepRef, nullable: true, description: "Of a STEP.", resolve: ({ stepId }) => stepId }),
    sequence: t.field({ type: SequenceRef, nullable: true, description: "This sequence, or one that it leads on to. Null where the step is missing.", resolve: ({ sequenceId }) => sequenceId }),
  }),
});

const SequenceGraphEdge = builder.objectRef<DiagramEdge>("SequenceGraphEdge").implement({
  description: "A way from a step to what follows it.",
  fields: (t) => ({
    from: t.exposeString("from", { description: "The name of the node that it begins at." }),
    to: t.exposeString("to", { description: "The name of the node that it leads to." }),
    branch: t.field({ type: StepBranch, nullable: true, description: "The branch that leads this way; null for the next trigger, which is taken where no branch is.", resolve: ({ branch }) => branch }),
    label: t.exposeString("label", { description: "When it is taken, and after how long." }),
    delayHours: t.exposeFloat("delayHours", { description: "How long after the one step the next is due, in hours." }),
  }),
});

const SequenceGraph = builder.objectRef<DrawnSequence>("SequenceGraph").implement({
  description: "The steps of a sequence and of those that it leads on to, ready to be drawn.",
  fields: (t) => ({
    nodes: t.field({ type: [SequenceGraphNode], description: "Its steps, its ends, and triggers that no step has.", resolve: ({ nodes }) => [...nodes] }),
    edges: t.field({ type: [SequenceGraphEdge], description: "Of each step in the order in which its ways are tried.", resolve: ({ edges }) => [...edges] }),
    sequences: t.field({ type: [SequenceRef], description: "This one first, then those that it leads on to.", resolve: ({ sequences }) => sequences.map(({ id }) => id) }),
    isWhole: t.exposeBoolean("isWhole", { description: "False where it leads on to more than 1,000 steps: those beyond are left out." }),
    mermaid: t.exposeString("mermaid", { description: "The same as a Mermaid flowchart." }),
  }),
});

builder.objectField(SequenceRef, "graph", (t) =>
  t.field({
    type: SequenceGraph,
    description: "Its steps and those that it leads on to, ready to be drawn.",
    resolve: ({ id }, _args, context) => drawnOf(context).load(id),
  }),
);
