/** A net whose units differ in what they cost. */

import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { analyse, type Analysis } from "../../src/prune/coupling/analysis.ts";
import { newBuilder } from "./graphs.ts";

/** Two convolutions of 4 units each, the first over 16 times as many positions as the second. */
export function twoSizes(): Analysis {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const weight = (name: string, shape: number[]) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5);
    builder.initializers.set(builder.fresh(name), { dtype: "float32", shape, data });
    builder.types.set(name, { dtype: "float32", shape });
    return valueIn(builder, name);
  };
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [1, 2, 8, 8] }));
  const large = g.Relu(g.Conv(x, weight("large", [4, 2, 1, 1])));
  const pooled = g.AveragePool(large, { kernel_shape: [4, 4], strides: [4, 4] });
  const small = g.Relu(g.Conv(pooled, weight("small", [4, 4, 1, 1])));
  return analyse(builder.finish([g.Conv(small, weight("last", [3, 4, 1, 1])).name]));
}
