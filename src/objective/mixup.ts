/** Mixup: learning from mixtures of samples (Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization"). */

import { GraphBuilder } from "../graph/builder.ts";
import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { shuffle } from "../graph/random.ts";
import { int64s, isFloat, type Tensor } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { createEmitter, valueIn } from "../ops/emitter.ts";
import { drawBeta, mixingStream } from "./random-inputs.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";

const permutationName = "mixup/permutation";
const shareName = "mixup/lambda";

/** How a batch is mixed with itself. */
export interface Mixture {
  /** For each sample the one that it is mixed with, int64 [N]. */
  readonly permutation: Value;
  /** The share λ of the sample itself. */
  readonly share: Value;
}

/** x̃ = λ x + (1 - λ) x[permutation] along the first axis, of inputs and of targets. */
export function mixed(g: Emit, value: Value, { permutation, share }: Mixture): Value {
  const other = g.Gather(value, permutation, { axis: 0 });
  return g.Add(g.Mul(value, share), g.Mul(other, g.Sub(g.scalar(1), share)));
}

/** The mixture of a graph whose inputs are mixed. */
export const mixtureIn = (builder: GraphBuilder): Mixture => ({
  permutation: valueIn(builder, permutationName),
  share: valueIn(builder, shareName),
});

/** The graph with its inputs mixed before anything reads them; permutation and share are further inputs. */
export function mixInputs({ graph, traced: { types } }: Analysis, batch: number): Graph {
  const builder = new GraphBuilder(graph, types);
  const g = createEmitter(builder);
  builder.input(permutationName, { dtype: "int64", shape: [batch] }, true);
  builder.input(shareName, { dtype: "float32", shape: [] }, true);
  const mixture = mixtureIn(builder);
  const names = new Map<string, string>();
  for (const { name } of graph.inputs) {
    const value = valueIn(builder, name);
    if (!isFloat(value.dtype) || value.shape[0] !== batch)
      fail(
        "unsupported",
        `mixup adds samples; the input "${name}" is ${value.dtype} [${value.shape.join(", ")}], not floats for ` +
          `each of ${batch}`,
      );
    names.set(name, mixed(g, value, mixture).name);
  }
  const mixing = builder.nodes.slice(graph.nodes.length);
  const nodes = graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map((name) => names.get(name) ?? name) }));
  return { ...graph, nodes: [...mixing, ...nodes], inputs: builder.inputs, initializers: builder.initializers };
}

/** What a step of a graph with mixed inputs takes: λ from Beta(α, α), and a permutation of the batch. */
export function drawMixture(batch: number, alpha: number, seed: number, step: number): Record<string, Tensor> {
  const stream = mixingStream(seed, step);
  const order = Int32Array.from({ length: batch }, (_, i) => i);
  shuffle(order, stream);
  const share = drawBeta(stream, alpha);
  return {
    [permutationName]: int64s([...order]),
    [shareName]: { dtype: "float32", shape: [], data: Float32Array.of(share) },
  };
}
