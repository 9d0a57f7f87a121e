/** Data sets in memory, for tests. */

import type { BatchOptions, Dataset } from "../../src/data/batches.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { Shape, Tensor } from "../../src/graph/tensor.ts";
import { sizeOf } from "../../src/graph/tensor.ts";
import { random } from "./graphs.ts";

export interface RandomOptions {
  readonly samples: number;
  readonly seed?: number;
  /** Class ids below this; values of the given shape where it is a shape; none where absent. */
  readonly labels?: number | Shape;
}

/** Samples drawn once, given in stored order whatever is asked for. Random inputs for every input of a graph, float32. */
export function randomDataset(graph: Pick<Graph, "inputs">, { samples, seed = 1, labels }: RandomOptions): Dataset {
  const next = random(seed);
  const draw = (shape: Shape): Tensor => ({
    dtype: "float32",
    shape,
    data: Float32Array.from({ length: sizeOf(shape) }, () => next() * 2 - 1),
  });
  const inputs = graph.inputs.map(({ name, shape }) => ({
    name,
    value: draw([samples, ...(shape!.slice(1) as number[])]),
  }));
  const target =
    typeof labels === "number"
      ? ({
          dtype: "int64",
          shape: [samples],
          data: BigInt64Array.from({ length: samples }, () => BigInt(Math.floor(next() * labels))),
        } satisfies Tensor)
      : labels && draw([samples, ...labels]);
  const slice = (value: Tensor, from: number, count: number): Tensor => {
    const each = sizeOf(value.shape.slice(1));
    return {
      ...value,
      shape: [count, ...value.shape.slice(1)],
      data: value.data.slice(from * each, (from + count) * each),
    };
  };
  return {
    name: "random",
    size: samples,
    // oxlint-disable-next-line require-await
    async *batches({ batchSize, limit = Number.POSITIVE_INFINITY, dropLast }: BatchOptions) {
      for (let i = 0; i < limit && i * batchSize < samples; i++) {
        const count = Math.min(batchSize, samples - i * batchSize);
        if (dropLast && count < batchSize) return;
        yield {
          inputs: Object.fromEntries(inputs.map(({ name, value }) => [name, slice(value, i * batchSize, count)])),
          size: count,
          ...(target && { target: slice(target, i * batchSize, count) }),
        };
      }
    },
  };
}
