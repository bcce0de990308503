// Where the steps of a workspace lead: each to its next trigger, and to those of its branches. Every question is answered by walking each way once.

type GraphStep = {
  readonly trigger: string;
  readonly nextTrigger: string | null;
  readonly isEntryPoint: boolean;
  readonly branches: readonly { readonly nextTrigger: string | null }[];
};

type Node = {
  readonly step: GraphStep;
  /** Position among the sequences; the one that is looked at is 0. */
  readonly sequence: number;
  /** Position in its sequence. */
  readonly index: number;
  next: readonly Node[];
};

export type StepGraph = { readonly own: readonly Node[]; readonly all: readonly Node[]; readonly byTrigger: ReadonlyMap<string, Node> };

/** Every trigger that a step leads to, each once. */
const nextTriggersOf = ({ nextTrigger, branches }: Pick<GraphStep, "nextTrigger" | "branches">): string[] => [
  ...new Set([...branches.map((branch) => branch.nextTrigger), nextTrigger].filter((trigger) => trigger !== null)),
];

/** The graph of `sequence` and the workspace's others. Of several steps with one trigger the first is taken, its own before others'. */
export function stepGraph(sequence: readonly GraphStep[], others: readonly (readonly GraphStep[])[]): StepGraph {
  const all = [sequence, ...others].flatMap((steps, number) => steps.map((step, index): Node => ({ step, sequence: number, index, next: [] })));
  const byTrigger = new Map<string, Node>();
  for (const node of all) if (!byTrigger.has(node.step.trigger)) byTrigger.set(node.step.trigger, node);
  for (const node of all) node.next = nextTriggersOf(node.step).flatMap((trigger) => byTrigger.get(trigger) ?? []);
  return { own: all.slice(0, sequence.length), all, byTrigger };
}

type Visit = {
  /** All that it leads to has been left, but for what leads back to where the walk came from. */
  readonly onLeft: (node: Node) => void;
  /** The walk has come back to a node on its own way. */
  readonly onLoop?: (way: readonly Node[]) => void;
};

/** Walks from each start to all that it leads to, depth first. With a stack of its own: a way may be thousands of steps long. */
function walk(starts: readonly Node[], { onLeft, onLoop }: Visit): void {
  const states = new Map<Node, "on the way" | "left">();
  for (const start of starts) {
    if (states.has(start)) continue;
    const way: { readonly node: Node; turned: number }[] = [{ node: start, turned: 0 }];
    states.set(start, "on the way");
    for (let last = way.at(-1); last; last = way.at(-1)) {
      const next = last.node.next[last.turned++];
      if (next === undefined) {
        states.set(last.node, "left");
        onLeft(last.node);
        way.pop();
      } else if (!states.has(next)) {
        states.set(next, "on the way");
        way.push({ node: next, turned: 0 });
      } else if (states.get(next) === "on the way") onLoop?.(way.slice(way.findIndex(({ node }) => node === next)).map(({ node }) => node));
    }
  }
}

/** The loops that pass through the sequence: the triggers in order, the first one again at the end, and the index of the sequence's last
 *  step on the way, where the loop is best cut. Of loops that share a part, one at least. */
export function findLoops({ own }: StepGraph): { readonly index: number; readonly triggers: readonly string[] }[] {
  const loops: { readonly index: number; readonly triggers: readonly string[] }[] = [];
  const onLoop = (loop: readonly Node[]) => {
    const ownIndexes = loop.filter((each) => each.sequence === 0).map((each) => each.index);
    // A loop among the others is theirs to mend.
    if (ownIndexes.length === 0) return;
    const first = loop.findIndex((each) => each.sequence === 0 && each.index === minimum(ownIndexes));
    const turned = [...loop.slice(first), ...loop.slice(0, first)];
    const index = turned.findLast((each) => each.sequence === 0)?.index ?? 0;
    loops.push({ index, triggers: [...turned, ...turned.slice(0, 1)].map((each) => each.step.trigger) });
  };
  walk(own, { onLeft: () => {}, onLoop });
  return loops;
}

/** The indexes of the sequence's steps that no lead can come to: neither from an entry point nor from another sequence. */
export function findUnreachable({ own, all, byTrigger }: StepGraph): number[] {
  const fromOutside = all.flatMap((node) => (node.sequence === 0 ? [] : node.next.filter(({ sequence }) => sequence === 0)));
  const reached = new Set<Node>();
  walk([...own.filter((node) => node.step.isEntryPoint), ...fromOutside], { onLeft: (node) => reached.add(node) });
  // The second step of a trigger cannot be reached either, but its mistake is the trigger.
  return own.filter((node) => !reached.has(node) && byTrigger.get(node.step.trigger) === node).map((node) => node.index);
}

/** The longest chains of sequences that begin at a step: of any, and of those that pass through the sequence that is looked at. */
type Chains = { readonly any: number; readonly own: { readonly sequences: number; readonly last: Node } | undefined };

/** The longest chain of sequences, one leading into the next, that the sequence is part of: how many, and the index of its last step on the
 *  way. Undefined where it is part of none, or of loops alone. */
export function findLongestChain({ all }: StepGraph): { readonly index: number; readonly sequences: number } | undefined {
  const chains = new Map<Node, Chains>();
  const looped = new Set<Node>();
  const onLeft = (node: Node) => {
    if (node.next.some((next) => looped.has(next))) looped.add(node);
    chains.set(node, chainsFrom(node, chains));
  };
  walk(all, { onLeft, onLoop: (loop) => loop.forEach((node) => looped.add(node)) });
  let longest: { index: number; sequences: number } | undefined;
  for (const [node, { own }] of chains) {
    // Its mistake is the loop.
    if (!own || looped.has(node) || own.sequences <= (longest?.sequences ?? 0)) continue;
    longest = { index: own.last.index, sequences: own.sequences };
  }
  return longest;
}

function chainsFrom(node: Node, chains: ReadonlyMap<Node, Chains>): Chains {
  let any = 1;
  let own: Chains["own"];
  for (const next of node.next) {
    const rest = chains.get(next);
    if (!rest) continue; // where the walk came from
    const more = next.sequence === node.sequence ? 0 : 1;
    any = Math.max(any, rest.any + more);
    if (rest.own && rest.own.sequences + more > (own?.sequences ?? 0)) own = { sequences: rest.own.sequences + more, last: rest.own.last };
  }
  if (node.sequence === 0 && any > (own?.sequences ?? 0)) own = { sequences: any, last: node };
  return { any, own };
}

const minimum = (numbers: readonly number[]) => numbers.reduce((least, number) => Math.min(least, number));
