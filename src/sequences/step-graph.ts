// Where the steps of a workspace lead. Each step has at most one next, so every question is answered by walking each path once.

type GraphStep = { readonly trigger: string; readonly nextTrigger: string | null; readonly isEntryPoint: boolean };

type Node = {
  readonly step: GraphStep;
  /** Position among the sequences; the one that is looked at is 0. */
  readonly sequence: number;
  /** Position in its sequence. */
  readonly index: number;
  next: Node | undefined;
};

export type StepGraph = { readonly own: readonly Node[]; readonly all: readonly Node[]; readonly byTrigger: ReadonlyMap<string, Node> };

/** The graph of `sequence` and the workspace's others. Of several steps with one trigger the first is taken, its own before others'. */
export function stepGraph(sequence: readonly GraphStep[], others: readonly (readonly GraphStep[])[]): StepGraph {
  const all = [sequence, ...others].flatMap((steps, number) =>
    steps.map((step, index): Node => ({ step, sequence: number, index, next: undefined })),
  );
  const byTrigger = new Map<string, Node>();
  for (const node of all) if (!byTrigger.has(node.step.trigger)) byTrigger.set(node.step.trigger, node);
  for (const node of all) if (node.step.nextTrigger !== null) node.next = byTrigger.get(node.step.nextTrigger);
  return { own: all.slice(0, sequence.length), all, byTrigger };
}

/** The loops that pass through the sequence: the triggers in order, the first one again at the end, and the index of the sequence's last
 *  step on the way, where the loop is best cut. */
export function findLoops({ own }: StepGraph): { readonly index: number; readonly triggers: readonly string[] }[] {
  const seen = new Map<Node, number>();
  return own.flatMap((start, walk) => {
    let node: Node | undefined = start;
    while (node && !seen.has(node)) {
      seen.set(node, walk);
      node = node.next;
    }
    // Met on this very walk, it is a loop; met on an earlier one, what follows has been looked at.
    if (!node || seen.get(node) !== walk) return [];
    const loop = [node];
    for (let following = node.next; following && following !== node; following = following.next) loop.push(following);
    const ownIndexes = loop.filter((each) => each.sequence === 0).map((each) => each.index);
    // A loop among the others is theirs to mend.
    if (ownIndexes.length === 0) return [];
    const first = loop.findIndex((each) => each.sequence === 0 && each.index === minimum(ownIndexes));
    const turned = [...loop.slice(first), ...loop.slice(0, first)];
    const index = turned.findLast((each) => each.sequence === 0)?.index ?? 0;
    return [{ index, triggers: [...turned, ...turned.slice(0, 1)].map((each) => each.step.trigger) }];
  });
}

/** The indexes of the sequence's steps that no lead can come to: neither from an entry point nor from another sequence. */
export function findUnreachable({ own, all, byTrigger }: StepGraph): number[] {
  const fromOutside = all.flatMap((node) => (node.sequence !== 0 && node.next?.sequence === 0 ? [node.next] : []));
  const reached = new Set<Node>();
  for (const start of [...own.filter((node) => node.step.isEntryPoint), ...fromOutside]) {
    for (let node: Node | undefined = start; node && !reached.has(node); node = node.next) reached.add(node);
  }
  // The second step of a trigger cannot be reached either, but its mistake is the trigger.
  return own.filter((node) => !reached.has(node) && byTrigger.get(node.step.trigger) === node).map((node) => node.index);
}

type Chain = { readonly sequences: number; readonly lastOwn: Node | undefined };

/** The longest chain of sequences, one leading into the next, that the sequence is part of: how many, and the index of its last step on the
 *  way. Undefined where it is part of none, or of loops alone. */
export function findLongestChain({ all }: StepGraph): { readonly index: number; readonly sequences: number } | undefined {
  const chains = new Map<Node, Chain | "looped">();
  for (const start of all) {
    const path: Node[] = [];
    for (let node: Node | undefined = start; node && !chains.has(node); node = node.next) {
      // Stays where the walk comes back to it; overwritten below where it doesn't.
      chains.set(node, "looped");
      path.push(node);
    }
    for (const node of path.toReversed()) chains.set(node, chainFrom(node, node.next && chains.get(node.next)));
  }
  let longest: { index: number; sequences: number } | undefined;
  for (const chain of chains.values()) {
    if (chain === "looped" || !chain.lastOwn || chain.sequences <= (longest?.sequences ?? 0)) continue;
    longest = { index: chain.lastOwn.index, sequences: chain.sequences };
  }
  return longest;
}

function chainFrom(node: Node, rest: Chain | "looped" | undefined): Chain | "looped" {
  if (rest === "looped") return rest;
  const own = node.sequence === 0 ? node : undefined;
  if (!rest) return { sequences: 1, lastOwn: own };
  return { sequences: rest.sequences + (node.next?.sequence === node.sequence ? 0 : 1), lastOwn: rest.lastOwn ?? own };
}

const minimum = (numbers: readonly number[]) => numbers.reduce((least, number) => Math.min(least, number));
