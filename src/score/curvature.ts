/** The curvature of the loss at the gates, by Hessian-vector products. */

import { uniformInt } from "pure-rand/distribution/uniformInt";
import { differentiate } from "../autodiff/differentiate.ts";
import type { Evidence } from "../criteria/criterion.ts";
import type { Graph } from "../graph/graph.ts";
import { randomStream } from "../graph/random.ts";
import { tensor } from "../graph/tensor.ts";
import { alias, valueIn } from "../ops/emitter.ts";
import { widen } from "../passes/widen.ts";
import { insertGates } from "../prune/gates/gated.ts";
import { findGates } from "../prune/gates/gates.ts";
import { analyse, type Analysis } from "../prune/coupling/analysis.ts";
import type { Runtime, Session, Tensors } from "../runtime/port.ts";
import { finishGraph } from "../objective/backward.ts";
import { wholeBatchLoss } from "../objective/loss-file.ts";
import { appendObjective, type ObjectiveInputs } from "../objective/objective.ts";
import { meanOf } from "../execute/batch-slices.ts";
import { fitMemory, inMicroBatches, minibatchInputs } from "../execute/micro-batches.ts";
import type { EvidenceProvider, ProviderOptions } from "./provider.ts";
import { executable } from "../execute/executable.ts";

export interface CurvatureOptions extends ProviderOptions {
  readonly needs: readonly ("row" | "diagonal")[];
  /** Random directions for the diagonal; 0 computes it exactly by one direction for each unit. */
  readonly probes: number;
  readonly seed: number;
}

const directionOf = (group: string): string => `direction/${group}`;
const productOf = (group: string): string => `product/${group}`;

interface CurvatureGraph {
  readonly graph: Graph;
  readonly groups: Analysis;
  /** Names and numbers of units of the groups that the loss depends on. */
  readonly gated: readonly { readonly name: string; readonly units: number }[];
  readonly objective: ObjectiveInputs;
}

/**
 * The graph of one Hessian-vector product over the gates z = 1 of all groups: inputs `direction/GROUP` [units], outputs
 * `loss` and `product/GROUP` [units] = Σ_k ∂²E/∂z_m∂z_k · direction_k. It is the gradient of (gradient · direction).
 */
export function curvatureGraph(graph: Graph, options: ProviderOptions): CurvatureGraph {
  const { batchSize: batch, gates: at = "after-bn" } = options;
  const analysis = analyse(widen(graph), { batch });
  const places = findGates(analysis, at);
  const names = new Map<string, string>();
  const { builder, g } = insertGates(analysis, places, (b, emit, { name, units }) => {
    const z = b.claim(`gate/${name}`);
    const ones = tensor("float32", [units.length], new Float64Array(units.length).fill(1));
    b.initializers.set(z, ones);
    b.types.set(z, ones);
    names.set(name, z);
    // A shared gate on a residual stream counts the mean of its places, as in a single pass.
    const share = at === "residual" ? 1 / Math.max(1, places.get(name)!.length) : 1;
    if (share === 1) return valueIn(b, z);
    return emit.Add(emit.Mul(valueIn(b, z), emit.scalar(share)), emit.scalar(1 - share));
  });
  const outputsOfModel = analysis.traced.graph.outputs.map(({ name }) => name);
  const objective = appendObjective(builder, outputsOfModel, options);
  const all = [...names.values()];
  const first = differentiate(builder, objective.ys, all);
  const gated = analysis.groups.flatMap(({ name, units }) => {
    const value = first.get(names.get(name)!);
    return value ? [{ name, units: units.length, value }] : [];
  });
  const ys = gated.map(({ name, units, value }) => ({
    value,
    seed: valueIn(builder, builder.input(directionOf(name), { dtype: "float32", shape: [units] }, true)),
  }));
  const second = differentiate(
    builder,
    ys,
    gated.map(({ name }) => names.get(name)!),
  );
  const outputs = ["loss"];
  for (const { name, units } of gated) {
    const product = second.get(names.get(name)!) ?? g.filled(0, [units]);
    alias(builder, product.name, builder.claim(productOf(name)));
    outputs.push(productOf(name));
  }
  return { graph: finishGraph(builder, outputs), groups: analysis, gated, objective };
}

/** Opens what gives rows and diagonals of the Hessian over the gates, in inference mode. */
export async function openCurvature(
  runtime: Runtime,
  graph: Graph,
  options: CurvatureOptions,
): Promise<EvidenceProvider> {
  const { needs } = options;
  const build = (batchSize: number) => curvatureGraph(graph, { ...options, batchSize });
  const { microBatches, of } = fitMemory(graph, options.batchSize, options, build, wholeBatchLoss(options.loss));
  const { graph: finished, gated, objective } = of;
  const inputs = finished.inputs.filter(({ name }) => !gated.some((group) => directionOf(group.name) === name));
  const loaded = await runtime.load(executable(finished, options.device), options);
  // The loss is a mean over samples, and so is its Hessian.
  const session = inMicroBatches(loaded, microBatches, new Set(inputs.map(({ name }) => name)), (output, found) =>
    meanOf(found.map((results) => results[output]!)),
  );
  const total = gated.reduce((n, { units }) => n + units, 0);
  return {
    inputs: minibatchInputs(inputs, microBatches),
    objective,
    async measure(feeds, index) {
      const multiply = (v: Float32Array) => productWith(session, gated, feeds, v);
      const { product: row, loss } = await multiply(new Float32Array(total).fill(1));
      const diagonal = needs.includes("diagonal")
        ? await diagonalOf(total, multiply, options, index)
        : new Float64Array(total);
      const [rows, diagonals] = [byGroup(gated, row), byGroup(gated, diagonal)];
      const findings = gated.map(({ name }, i): [string, Partial<Evidence>] => [
        name,
        {
          ...(needs.includes("row") && { row: rows[i]! }),
          ...(needs.includes("diagonal") && { diagonal: diagonals[i]! }),
        },
      ]);
      return { loss, findings: new Map(findings) };
    },
    [Symbol.asyncDispose]: () => session.dispose(),
  };
}

type Gated = CurvatureGraph["gated"];

/** What is of all units in order, group by group. */
function byGroup<A extends Float32Array | Float64Array>(gated: Gated, values: A): A[] {
  let at = 0;
  return gated.map(({ units }) => values.slice(at, (at += units)) as A);
}

/** H · v over the units of all groups in order, and the loss. */
async function productWith(session: Session, gated: Gated, feeds: Tensors, v: Float32Array) {
  const parts = byGroup(gated, v);
  const directions = gated.map(
    ({ name, units }, i) => [directionOf(name), { dtype: "float32", shape: [units], data: parts[i]! }] as const,
  );
  const results = await session.run({ ...feeds, ...Object.fromEntries(directions) });
  const product = Float64Array.from(gated.flatMap(({ name }) => [...(results[productOf(name)]!.data as Float32Array)]));
  return { product, loss: Number(results["loss"]!.data[0]) };
}

/** The diagonal of the Hessian, from its products with unit vectors or with random signs. */
async function diagonalOf(
  total: number,
  multiply: (v: Float32Array) => Promise<{ readonly product: Float64Array }>,
  { probes, seed }: CurvatureOptions,
  minibatch: number,
): Promise<Float64Array> {
  const diagonal = new Float64Array(total);
  if (probes === 0) {
    for (let m = 0; m < total; m++) {
      const v = new Float32Array(total);
      v[m] = 1;
      diagonal[m] = (await multiply(v)).product[m]!;
    }
    return diagonal;
  }
  // The mean of v ∘ Hv over random signs v is the diagonal (Hutchinson 1990; Bekas et al. 2007, eq. 4).
  const stream = randomStream(seed, minibatch);
  for (let probe = 0; probe < probes; probe++) {
    const v = Float32Array.from({ length: total }, () => uniformInt(stream, 0, 1) * 2 - 1);
    const { product } = await multiply(v);
    product.forEach((value, m) => (diagonal[m]! += (v[m]! * value) / probes));
  }
  return diagonal;
}
