// A sequence as it can be drawn: its steps and those of the sequences that it leads on to, with what leads from each to the next. As data, and as the text
// that Mermaid draws.

import { seededRandom } from "../lib/random.ts";
import { excerpt } from "../lib/text.ts";
import { type Branch, conditionLabel } from "./branches.ts";
import type { RuleSequence, RuleStep } from "./rules.ts";

export type DiagramNode = {
  /** The same for the same step however often it is renamed: the name in the Mermaid text. */
  readonly name: string;
  /** MISSING: no step has the trigger that leads here. */
  readonly kind: "STEP" | "END" | "MISSING";
  readonly label: string;
  /** Null where it is MISSING. */
  readonly sequenceId: string | null;
  readonly stepId: string | null;
};

export type DiagramEdge = {
  readonly from: string;
  readonly to: string;
  /** The branch that leads this way; null for the next trigger, which is taken where no branch is. */
  readonly branch: Branch | null;
  readonly label: string;
  readonly delayHours: number;
};

export type Diagram = {
  readonly nodes: readonly DiagramNode[];
  readonly edges: readonly DiagramEdge[];
  /** Those that the nodes are of, the one that was asked for first. */
  readonly sequences: readonly { readonly id: string; readonly name: string }[];
  /** False where it leads to more steps than can be drawn. */
  readonly isWhole: boolean;
};

/** More, and nobody could read the picture. */
const MAX_STEPS = 1000;
const MAX_LABEL_LENGTH = 80;

type Placed = { readonly step: RuleStep; readonly sequence: RuleSequence };

/** All own steps, whether or not anything leads to them, and what they lead to. */
export function diagramOf(sequence: RuleSequence, others: readonly RuleSequence[]): Diagram {
  const byTrigger = new Map<string, Placed>();
  for (const each of [sequence, ...others]) for (const step of each.steps) if (!byTrigger.has(step.trigger)) byTrigger.set(step.trigger, { step, sequence: each });
  const placed = new Set(sequence.steps.map((step) => byTrigger.get(step.trigger)).filter((each) => each !== undefined));
  let isWhole = true;
  // A set is gone through in the order of insertion, also of what is added on the way.
  for (const { step } of placed) {
    for (const { nextTrigger } of waysOf(step)) {
      const next = nextTrigger === null ? undefined : byTrigger.get(nextTrigger);
      if (next === undefined || placed.has(next)) continue;
      if (placed.size < MAX_STEPS) placed.add(next);
      else isWhole = false;
    }
  }

  const nodes = new Map<string, DiagramNode>();
  const edges: DiagramEdge[] = [];
  for (const { step, sequence: own } of placed) nodes.set(stepName(step), { name: stepName(step), kind: "STEP", label: stepLabel(step), sequenceId: own.id, stepId: step.id });
  for (const each of placed) {
    for (const way of waysOf(each.step)) {
      const to = targetOf(way.nextTrigger, each.sequence, byTrigger);
      if (to.kind === "STEP" && !nodes.has(to.name)) continue; // beyond what is drawn
      if (!nodes.has(to.name)) nodes.set(to.name, to);
      edges.push({ from: stepName(each.step), to: to.name, ...edgeOf(way.branch, each) });
    }
  }
  const sequences = new Map([sequence, ...[...placed].map((each) => each.sequence)].map(({ id, name }) => [id, { id, name }]));
  return { nodes: [...nodes.values()], edges, sequences: [...sequences.values()], isWhole };
}

type Way = { readonly nextTrigger: string | null; readonly branch: Branch | null };

const waysOf = ({ branches, nextTrigger }: RuleStep): Way[] => [...branches.map((branch) => ({ nextTrigger: branch.nextTrigger, branch })), { nextTrigger, branch: null }];

function targetOf(trigger: string | null, { id }: RuleSequence, byTrigger: ReadonlyMap<string, Placed>): DiagramNode {
  if (trigger === null) return { name: `end_${bare(id)}`, kind: "END", label: "End", sequenceId: id, stepId: null };
  const found = byTrigger.get(trigger);
  if (found) return { name: stepName(found.step), kind: "STEP", label: stepLabel(found.step), sequenceId: found.sequence.id, stepId: found.step.id };
  return { name: `missing_${Math.floor(seededRandom(trigger)() * 2 ** 48).toString(36)}`, kind: "MISSING", label: `No step: ${excerpt(trigger, MAX_LABEL_LENGTH)}`, sequenceId: null, stepId: null };
}

function edgeOf(branch: Branch | null, { step, sequence }: Placed): Pick<DiagramEdge, "branch" | "label" | "delayHours"> {
  const delayHours = step.triggerDelayHours ?? sequence.triggerDelayHours;
  const otherwise = step.branches.length > 0 ? "else" : "";
  // Numbered, since the first whose condition holds is taken.
  const condition = branch ? `${step.branches.indexOf(branch) + 1}. ${conditionLabel(branch)}` : otherwise;
  return { branch, delayHours, label: [condition, `after ${delayHours} h`].filter((part) => part !== "").join(", ") };
}

const stepLabel = ({ dayNumber, trigger }: RuleStep) => `Day ${dayNumber}, ${excerpt(trigger, MAX_LABEL_LENGTH)}`;

const bare = (id: string) => id.replaceAll("-", "");
const stepName = ({ id }: RuleStep) => `step_${bare(id)}`;

/** The diagram for Mermaid, each sequence a box of its own. */
export function mermaidOf({ nodes, edges, sequences }: Diagram, isEntryPoint: (stepId: string) => boolean): string {
  const inside = Map.groupBy(nodes, ({ sequenceId }) => sequenceId);
  const shape = ({ kind, stepId, name, label }: DiagramNode) => {
    const [open, close] = kind === "END" ? ["((", "))"] : kind === "MISSING" ? ["{{", "}}"] : stepId !== null && isEntryPoint(stepId) ? ["([", "])"] : ["[", "]"];
    return `${name}${open}"${escaped(label)}"${close}`;
  };
  return [
    "flowchart TD",
    ...sequences.flatMap(({ id, name }) => [
      `  subgraph sequence_${bare(id)}["${escaped(excerpt(name, MAX_LABEL_LENGTH))}"]`,
      ...(inside.get(id) ?? []).map((node) => `    ${shape(node)}`),
      "  end",
    ]),
    ...(inside.get(null) ?? []).map((node) => `  ${shape(node)}`),
    ...edges.map(({ from, to, label }) => `  ${from} -->|"${escaped(label)}"| ${to}`),
    "",
  ].join("\n");
}

/** Word by word what stands for itself between quotes, and what doesn't. Mermaid takes labels for Markdown, in some versions all of them: "1. Cold" would be a list,
 *  "_vip_" slanted, "www.…" a link, four blanks at the beginning code. Nor does the colon: what follows "style …:" on a line is taken for colours, and off its end a semicolon. */
const PARTS = /(?<plain>[\p{L}\p{N}\p{M},?]+|(?<!^) |(?<=\p{N})\.(?=\p{N})|(?<=[\p{L}\p{N}])[_-]+(?=[\p{L}\p{N}]))|./gsu;

/** As characters by number, and blanks for line breaks: whatever people call their steps, it ends no label and begins no markup. */
function escaped(text: string): string {
  const line = text.toWellFormed().replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
  return line.replace(PARTS, (part: string, plain: string | undefined) => plain ?? `#${part.codePointAt(0)};`);
}
