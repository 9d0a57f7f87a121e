/** Random inputs of a model. */

import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { fail } from "../../graph/error.ts";
import { randomStream } from "../../graph/random.ts";
import { isFloat, sizeOf, tensor, type NumericDType, type Tensor } from "../../graph/tensor.ts";
import type { Traced } from "../../passes/trace.ts";
import { isShort, narrowTensor } from "../../passes/widen.ts";

/**
 * A tensor for each input of a model: numbers from -1.5 to 1.5, and zeros and ones
 * where they are whole or truth values.
 */
export function drawInputs(traced: Traced, seed: number): Record<string, Tensor> {
  return Object.fromEntries(
    traced.graph.inputs.map(({ name }, i) => {
      const { dtype, shape } = traced.types.get(name)!;
      if (dtype === "string") fail("unsupported", `no values can be drawn for the input "${name}" of strings`);
      const stream = randomStream(seed, i);
      const draw = (): number => uniformFloat64(stream);
      const values = Array.from({ length: sizeOf(shape) }, () =>
        isFloat(dtype) ? draw() * 3 - 1.5 : Math.round(draw()),
      );
      if (isShort(dtype)) return [name, narrowTensor(tensor("float32", shape, values), dtype)];
      return [name, tensor(dtype as NumericDType, shape, values)];
    }),
  );
}
