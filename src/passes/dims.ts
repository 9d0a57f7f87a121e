/**
 * Sizes that the file does not fix: their symbols, and what it writes of them, such as `2*batch` or `past + sequence`.
 */

import type { Dim, Graph, ValueInfo } from "../graph/graph.ts";

/** The symbol of an open axis of an input; one that the file does not name has its own. */
export const symbolOf = ({ name }: ValueInfo, axis: number, dim: string): string =>
  dim === "" ? `${name}[${axis}]` : dim;

/** An axis of an input that the file leaves open. */
export interface OpenAxis {
  readonly input: ValueInfo;
  readonly axis: number;
  readonly symbol: string;
}

/** The open axes of all inputs, without those whose sizes follow from others by what the file writes of them. */
export function openAxes({ inputs }: Pick<Graph, "inputs">): OpenAxis[] {
  const all = inputs.flatMap((input) =>
    (input.shape ?? []).flatMap((dim, axis): OpenAxis[] =>
      typeof dim === "string" ? [{ input, axis, symbol: symbolOf(input, axis, dim) }] : [],
    ),
  );
  const ones = new Map(all.map(({ symbol }) => [symbol, 1]));
  return all.filter(({ symbol }) => {
    const others = new Map(ones);
    others.delete(symbol);
    return sizeOfDim(symbol, others) === undefined;
  });
}

/** What a size comes to; `undefined` where that does not follow from the symbols known. */
export function sizeOfDim(dim: Dim, known: Pick<ReadonlyMap<string, number>, "get">): number | undefined {
  if (typeof dim === "number") return dim;
  const size = dim === "" ? undefined : known.get(dim);
  if (size !== undefined || !/[-+*/]/.test(dim)) return size;
  const words = dim.match(/\/\/|[-+*/()]|[^-+*/()\s]+/g) ?? [];
  let at = 0;
  const atom = (): number => {
    const word = words[at++];
    if (word === "-") return -atom();
    if (word === "(") {
      const inner = sum();
      return words[at++] === ")" ? inner : Number.NaN;
    }
    return word === undefined ? Number.NaN : /^\d+$/.test(word) ? Number(word) : (known.get(word) ?? Number.NaN);
  };
  const product = (): number => {
    let value = atom();
    for (let word = words[at]; word === "*" || word === "//" || word === "/"; word = words[at]) {
      at++;
      const next = atom();
      value = word === "*" ? value * next : word === "/" ? value / next : Math.floor(value / next);
    }
    return value;
  };
  const sum = (): number => {
    let value = product();
    for (let word = words[at]; word === "+" || word === "-"; word = words[at]) {
      at++;
      value += word === "+" ? product() : -product();
    }
    return value;
  };
  const result = sum();
  return at === words.length && Number.isSafeInteger(result) && result >= 0 ? result : undefined;
}
