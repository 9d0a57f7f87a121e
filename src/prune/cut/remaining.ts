/** Which indices of each axis stay after a removal. */

import type { Remaining, Value } from "../../ops/core/define.ts";
import type { Analysis } from "../coupling/analysis.ts";
import type { Removed } from "./whole-group.ts";

export interface RemainingIndices extends Remaining {
  /** Of an axis of a value, by its name: the indices that stay, in order. */
  byName(name: string, axis: number): readonly number[];
}

/** @param settling says which axes a file fixes, where that is another analysis */
export function remainingOf(analysis: Analysis, removed: Removed, settling = analysis): RemainingIndices {
  const { traced } = analysis;
  const known = new Map<string, readonly number[]>();
  const byName = (name: string, axis: number): readonly number[] => {
    const key = `${name}\0${axis}`;
    const indices = known.get(key);
    if (indices) return indices;
    const size = traced.types.get(name)!.shape[axis]!;
    const gone = removed.get(name)?.get(axis);
    const list = Array.from({ length: size }, (_, i) => i).filter((i) => !gone?.has(i));
    known.set(key, list);
    return list;
  };
  return {
    byName,
    axis: (value: Value, axis: number) => byName(value.name, axis),
    settled: (value: Value, axis: number) => settling.isSettled(value.name, axis),
  };
}
