/** The types of values that no rule gives: as a trial run returned them, or as the file declares them. */

import type { Dim, Graph, OpenDim, Type } from "../graph/graph.ts";

/** What stands for the size of every first axis that is open and has no name; no file can name it. */
export const batchSymbol = "\0batch";

/** A product of names and numbers, and a number added, as exporters write sizes that follow from others. */
const term = /^([\w.]+(?:\s*\*\s*[\w.]+)*)(?:\s*([+-])\s*(\d+))?$/;

/** The size that a declared axis has; `undefined` where it is not said, or in a form that is not known. */
export function sizeOfDim(dim: Dim | OpenDim, sizes: Pick<ReadonlyMap<string, number>, "get">): number | undefined {
  if (typeof dim === "number") return dim;
  if (typeof dim === "object") {
    const factors = dim.symbols.map((symbol) => sizes.get(symbol));
    return factors.every((size) => size !== undefined)
      ? factors.reduce((a, b) => a * b, dim.times) + dim.plus
      : undefined;
  }
  const whole = dim === "" ? undefined : sizes.get(dim);
  if (whole !== undefined) return whole;
  const [, product, sign, added = "0"] = term.exec(dim.trim()) ?? [];
  let size = 1;
  for (const factor of product?.split("*") ?? [""]) {
    const name = factor.trim();
    const value = /^\d+$/.test(name) ? Number(name) : sizes.get(name);
    if (value === undefined) return undefined;
    size *= value;
  }
  return size + (sign === "-" ? -Number(added) : Number(added));
}

/** Gives the type of a value from what the runtime said of it, else the file; `undefined` where neither says all sizes. */
export function statedTypes(graph: Graph, symbols: ReadonlyMap<string, number>): (name: string) => Type | undefined {
  const outputs = new Map(graph.outputs.map((info) => [info.name, info]));
  const tried = { get: (symbol: string) => symbols.get(symbol) ?? graph.found?.sizes.get(symbol) };
  return (name) => {
    const found = graph.found?.types.get(name);
    const declared = graph.info.get(name) ?? outputs.get(name);
    const shape = found
      ? found.shape.map((dim) => sizeOfDim(dim, tried))
      : declared?.shape?.map((dim) => sizeOfDim(dim, symbols));
    if (shape === undefined || shape.includes(undefined)) return undefined;
    return { dtype: (found ?? declared)!.dtype, shape: shape as number[] };
  };
}
