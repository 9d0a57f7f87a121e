/** The types of values that no rule gives: as a trial run returned them, or as the file declares them. */

import type { Dim, Graph, OpenDim, Type } from "../graph/graph.ts";
import { sizeOfDim } from "./dims.ts";

/** What stands for the size of every first axis that is open and has no name; no file can name it. */
export const batchSymbol = "\0batch";

/** The size that an axis has; `undefined` where it is not said, or in a form that is not known. */
function sizeOf(dim: Dim | OpenDim, sizes: Pick<ReadonlyMap<string, number>, "get">): number | undefined {
  if (typeof dim !== "object") return sizeOfDim(dim, sizes);
  const factors = dim.symbols.map((symbol) => sizes.get(symbol));
  return factors.every((size) => size !== undefined)
    ? factors.reduce((a, b) => a * b, dim.times) + dim.plus
    : undefined;
}

/**
 * Gives the type of a value from what the runtime said of it, else the file; `undefined` where neither says all sizes.
 */
export function statedTypes(graph: Graph, symbols: ReadonlyMap<string, number>): (name: string) => Type | undefined {
  const outputs = new Map(graph.outputs.map((info) => [info.name, info]));
  const tried = { get: (symbol: string) => symbols.get(symbol) ?? graph.found?.sizes.get(symbol) };
  return (name) => {
    const found = graph.found?.types.get(name);
    const declared = graph.info.get(name) ?? outputs.get(name);
    const shape = found
      ? found.shape.map((dim) => sizeOf(dim, tried))
      : declared?.shape?.map((dim) => sizeOf(dim, symbols));
    if (shape === undefined || shape.includes(undefined)) return undefined;
    return { dtype: (found ?? declared)!.dtype, shape: shape as number[] };
  };
}
