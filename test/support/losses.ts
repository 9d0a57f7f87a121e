/** Losses on values of their own: what the tests of losses build. */

import { differentiate } from "../../src/autodiff/differentiate.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { finishGraph } from "../../src/objective/backward.ts";
import { appendObjective, type Objective, type ObjectiveOptions } from "../../src/objective/objective.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { newBuilder } from "./graphs.ts";

export interface LossGraph {
  /** Outputs `loss`, `samples` [N], and `gradient/NAME` of the mean for each output that a loss is put on. */
  readonly graph: Graph;
  readonly objective: Objective;
}

/**
 * Losses of outputs that are what comes in under their names, with `in` before it.
 *
 * @param outputs values of the outputs
 * @param inputs further inputs of the model, by name
 */
export function lossGraph(
  outputs: Readonly<Record<string, Tensor>>,
  options: ObjectiveOptions,
  inputs: Readonly<Record<string, Tensor>> = {},
): LossGraph {
  const builder = newBuilder();
  const g = createEmitter(builder);
  for (const [name, { dtype, shape }] of Object.entries(inputs)) builder.input(name, { dtype, shape }, true);
  for (const [name, { shape }] of Object.entries(outputs)) {
    const input = builder.input(`in/${name}`, { dtype: "float32", shape }, true);
    const product = g.Mul(valueIn(builder, input), g.scalar(1));
    builder.append("Identity", [product.name], {}, [product], { bases: [name] });
  }
  const names = Object.keys(outputs);
  const objective = appendObjective(builder, names, options);
  const gradients = differentiate(
    builder,
    objective.ys,
    names.map((name) => `in/${name}`),
  );
  const found = ["loss"];
  const put = (name: string, value: string): void => {
    const node = { op: "Identity", domain: "", name: "", attributes: {}, inputs: [value], outputs: [name] };
    builder.nodes.push(node);
    builder.types.set(name, builder.types.get(value)!);
    found.push(name);
  };
  put("samples", objective.perSample!.name);
  for (const name of names) {
    const gradient = gradients.get(`in/${name}`);
    if (gradient) put(`gradient/${name}`, gradient.name);
  }
  return { graph: finishGraph(builder, found), objective };
}

/** What feeds a graph of {@link lossGraph}. */
export const fedBy = (outputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(outputs).map(([name, value]) => [`in/${name}`, value]));

export interface LossCase {
  readonly what: string;
  readonly loss: { readonly kind: string } & Readonly<Record<string, unknown>>;
  readonly labelSmoothing: number;
  readonly output: Stored;
  readonly target: Stored | null;
  readonly others: Readonly<Record<string, Stored>>;
  readonly perSample: Stored;
  readonly gradient: Stored;
}

interface Stored {
  readonly dtype: "float32" | "int64";
  readonly shape: readonly number[];
  readonly values: readonly number[];
}
