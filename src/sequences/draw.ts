import type { WorkspaceDb } from "../db/workspace.ts";
import { type Diagram, diagramOf, mermaidOf } from "./diagram.ts";
import { loadGraph } from "./graph.ts";

export type DrawnSequence = Diagram & { readonly mermaid: string };

/** Each sequence with what it leads on to, in the order of `ids`. Of one that was deleted meanwhile nothing is left to draw. */
export async function drawSequences(db: WorkspaceDb, ids: readonly string[]): Promise<DrawnSequence[]> {
  const graph = await db.read((tx) => loadGraph(tx.$client, db.id, ids));
  const byId = new Map(graph.map((sequence) => [sequence.id, sequence]));
  const live = graph.filter(({ status }) => status !== "ARCHIVED");
  const entries = new Set(graph.flatMap(({ steps }) => steps.filter(({ isEntryPoint }) => isEntryPoint).map(({ id }) => id)));
  return ids.map((id) => {
    const sequence = byId.get(id);
    const diagram: Diagram = sequence ? diagramOf(sequence, live.filter((other) => other !== sequence)) : { nodes: [], edges: [], sequences: [], isWhole: true };
    return { ...diagram, mermaid: mermaidOf(diagram, (stepId) => entries.has(stepId)) };
  });
}
