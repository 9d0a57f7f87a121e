/** Where things stand when they are drawn, from top to bottom: by dagre, and of very many in plain rows. */

import { graphlib, layout } from "@dagrejs/dagre";
import type { Calls, Layout, NetworkView } from "./calls.ts";
import { opened } from "./models.ts";

const vertexSize = { width: 220, height: 58 };
const nodeSize = { width: 170, height: 40 };
/** Beyond this many boxes dagre's best ranking takes too long, and its quickest does. */
const manyBoxes = 400;
/** Beyond this many dagre, which goes through a graph by calling itself, runs out of stack on a long one. */
const mostBoxes = 1500;
const gap = { across: 28, down: 34 };
const margin = 16;

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
  if (ids.length > mostBoxes) return inRows(ids, edges, size);
  const graph = new graphlib.Graph();
  graph.setGraph({
    rankdir: "TB",
    nodesep: gap.across,
    ranksep: gap.down,
    marginx: margin,
    marginy: margin,
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

/**
 * Each box one row below the lowest that leads to it, in the order in which they are given; edges are straight. An edge
 * that leads back up, as round a residual stream, moves nothing.
 */
function inRows(
  ids: readonly number[],
  edges: readonly (readonly [number, number])[],
  { width, height }: { readonly width: number; readonly height: number },
): Layout {
  const order = new Map(ids.map((id, i) => [id, i]));
  const leading = new Map<number, number[]>();
  for (const [from, to] of edges)
    if (order.get(from)! < order.get(to)!) leading.set(to, [...(leading.get(to) ?? []), from]);
  const rows = new Map<number, number>();
  const filled: number[] = [];
  const boxes = ids.map((id) => {
    const row = (leading.get(id) ?? []).reduce((lowest, from) => Math.max(lowest, rows.get(from)! + 1), 0);
    rows.set(id, row);
    const column = (filled[row] = (filled[row] ?? 0) + 1) - 1;
    return { id, x: margin + column * (width + gap.across), y: margin + row * (height + gap.down), width, height };
  });
  const at = new Map(boxes.map((box) => [box.id, box]));
  return {
    width: 2 * margin + Math.max(...filled) * (width + gap.across),
    height: 2 * margin + filled.length * (height + gap.down),
    boxes,
    edges: edges.map(([from, to]) => {
      const [start, end] = [at.get(from)!, at.get(to)!];
      const down = start.y < end.y;
      return {
        from,
        to,
        points: [
          [start.x + width / 2, start.y + (down ? height : 0)],
          [end.x + width / 2, end.y + (down ? 0 : height)],
        ] as const,
      };
    }),
  };
}
