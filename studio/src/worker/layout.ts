/** Where things stand when they are drawn: by dagre, from top to bottom. */

import { graphlib, layout } from "@dagrejs/dagre";
import type { Calls, Layout, NetworkView } from "./calls.ts";
import { opened } from "./models.ts";

const vertexSize = { width: 190, height: 58 };
const nodeSize = { width: 170, height: 40 };
/** Beyond this many boxes dagre's best ranking takes too long, and its quickest does. */
const manyBoxes = 400;

/** The groups of a network, or the nodes of one of them. */
export function layoutOf({ slot, vertex }: Calls["layout"]["args"]): Layout {
  const { view } = opened(slot);
  if (vertex === undefined)
    return place(
      view.vertices.map(({ id }) => id),
      view.edges,
      vertexSize,
    );
  const { ids, edges } = within(view, vertex);
  return place(ids, edges, nodeSize);
}

/** The nodes of a vertex, and what flows between them. */
function within({ nodes, vertices }: NetworkView, vertex: number) {
  const ids = vertices[vertex]?.nodes ?? [];
  const producer = new Map(ids.flatMap((id) => nodes[id]!.outputs.map((value) => [value, id] as const)));
  const edges = ids.flatMap((id) =>
    nodes[id]!.inputs.flatMap((value) => {
      const from = producer.get(value);
      return from === undefined ? [] : [[from, id] as const];
    }),
  );
  return { ids, edges };
}

function place(
  ids: readonly number[],
  edges: readonly (readonly [number, number])[],
  size: { readonly width: number; readonly height: number },
): Layout {
  const graph = new graphlib.Graph();
  graph.setGraph({
    rankdir: "TB",
    nodesep: 28,
    ranksep: 34,
    marginx: 16,
    marginy: 16,
    ranker: ids.length > manyBoxes ? "longest-path" : "network-simplex",
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of ids) graph.setNode(String(id), { ...size });
  for (const [from, to] of edges) graph.setEdge(String(from), String(to));
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  return {
    width,
    height,
    boxes: ids.map((id) => {
      const { x, y } = graph.node(String(id));
      return { id, x: x - size.width / 2, y: y - size.height / 2, ...size };
    }),
    edges: graph.edges().map((edge) => ({
      from: Number(edge.v),
      to: Number(edge.w),
      points: pointsOf(graph.edge(edge)),
    })),
  };
}

const pointsOf = ({ points = [] }: { readonly points?: readonly { readonly x: number; readonly y: number }[] }) =>
  points.map(({ x, y }) => [x, y] as const);
