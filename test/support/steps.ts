/** Steps of training, for tests. */

import { sizeOf, tensor, type Tensor } from "../../src/graph/tensor.ts";
import type { StepGraph } from "../../src/train/step.ts";
import { noise } from "./graphs.ts";

/** What a step takes: the weights it starts from, noise, and labels of three classes. */
export const feedsOf = ({ graph, carried }: StepGraph): Record<string, Tensor> =>
  Object.fromEntries(
    graph.inputs.map(({ name, dtype, shape }, i) => {
      const size = shape as number[];
      const given = carried.get(name);
      if (given) return [name, { ...given, data: given.data.slice() } as Tensor];
      if (dtype !== "float32")
        return [
          name,
          tensor(
            dtype as "int64",
            size,
            Array.from({ length: sizeOf(size) }, (_, k) => k % 3),
          ),
        ];
      return [name, noise(size, i)];
    }),
  );
