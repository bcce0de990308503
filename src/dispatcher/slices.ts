// A workspace with more devices than one node can hold is sent by several. Each reads the flows whose hash falls into its slice.

/** How many hash values there are: the last two bytes of a flow's id, which are random. */
export const SLOTS = 65_536;

/** The hash values that are a node's, the end not included. */
export type Slice = { readonly from: number; readonly until: number };

/** Cuts all hash values in proportion to what each node can send, in the order given: nodes that have them in one order cut alike. */
export function sliceOf(weights: readonly number[], index: number): Slice {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const before = weights.slice(0, index).reduce((sum, weight) => sum + weight, 0);
  const at = (weight: number) => (total === 0 ? 0 : Math.round((weight / total) * SLOTS));
  return { from: at(before), until: at(before + (weights[index] ?? 0)) };
}

export const WHOLE: Slice = { from: 0, until: SLOTS };

export const isWhole = ({ from, until }: Slice): boolean => until - from === SLOTS;
