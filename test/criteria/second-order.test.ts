/** The second order: exact on a quadratic, and the Hessian over the gates against differences and against its explicit form. */

import { describe, expect, it } from "vitest";
import { findCriterion } from "../../src/criteria/table.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { tensor, type Tensor } from "../../src/graph/tensor.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { findGates } from "../../src/prune/gates/gates.ts";
import { insertGates } from "../../src/prune/gates/gated.ts";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { curvatureGraph } from "../../src/score/curvature.ts";
import { finishGraph } from "../../src/objective/backward.ts";
import { appendObjective } from "../../src/objective/objective.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { executable } from "../../src/execute/executable.ts";
import { score, scoreAll } from "../../src/score/score.ts";
import { randomDataset } from "../support/datasets.ts";
import { modelOf, newBuilder, random, runGraph } from "../support/graphs.ts";
import { readNetModel } from "../support/reference.ts";
import { smoothed } from "../support/smooth.ts";

const batch = 8;

/** x [N, 5] -> 6 hidden units without an activation -> [N, 3]: with mse the loss is a quadratic function of the gates. */
function linearNet(): Graph {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const next = random(3);
  const weights = (name: string, shape: readonly number[]) => {
    const value = tensor(
      "float32",
      shape,
      Float64Array.from({ length: shape.reduce((a, b) => a * b) }, () => next() - 0.5),
    );
    builder.initializers.set(name, value);
    builder.types.set(name, value);
    return valueIn(builder, name);
  };
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [batch, 5] }, true));
  const hidden = g.Gemm(x, weights("first", [5, 6]), weights("shift", [6]));
  const y = g.Gemm(hidden, weights("second", [6, 3]));
  return { ...builder.finish([y.name]), info: new Map() };
}

describe("on a loss that is quadratic in the gates", () => {
  const graph = prepare(modelOf({ ...linearNet(), inputs: [{ name: "x", dtype: "float32", shape: ["batch", 5] }] }));
  const data = randomDataset(graph, { samples: batch, labels: [3] });
  const options = { loss: "mse", batchSize: batch, batches: 1, seed: 0, threads: 1 } as const;
  const names = ["oracle", "taylor-so-diag", "taylor-so-diag-plus", "taylor-so", "taylor-so-plus", "taylor-fo", "obd"];
  const scored = scoreAll(directRuntime, graph, data, names.map(findCriterion), options);
  const of = async (name: string) => [...(await scored).get(name)!.get("first")!];

  it("the diagonal with minus is the oracle", async () => {
    const [oracle, minus] = [await of("oracle"), await of("taylor-so-diag")];
    expect(oracle.length).toBe(6);
    oracle.forEach((value, m) => expect(Math.abs(minus[m]! - value)).toBeLessThan(1e-4 * value + 1e-9));
  });

  it("no other form is", async () => {
    const oracle = await of("oracle");
    for (const name of ["taylor-so-diag-plus", "taylor-so", "taylor-so-plus", "taylor-fo"]) {
      const own = await of(name);
      expect(Math.max(...oracle.map((value, m) => Math.abs(own[m]! - value) / value)), name).toBeGreaterThan(0.1);
    }
  });

  it("the signed root of the diagonal's form is the gradient less half the curvature", async () => {
    const [oracle, first, curvature] = [await of("oracle"), await of("taylor-fo"), await of("obd")];
    oracle.forEach((value, m) => {
      const gradient = Math.sqrt(first[m]!);
      const roots = [gradient, -gradient].map((root) => (root - curvature[m]!) ** 2);
      expect(Math.min(...roots.map((root) => Math.abs(root - value)))).toBeLessThan(1e-4 * value + 1e-9);
    });
  });
});

/** Gradients over the gates as a function of the gates. */
async function gateGradients(graph: Graph, z: readonly Float32Array[], feeds: Record<string, Tensor>) {
  const groups = analyse(graph, { batch });
  const names: string[] = [];
  const { builder } = insertGates(groups, findGates(groups), (b, _g, group) => {
    const name = b.input(`z/${group.name}`, { dtype: "float32", shape: [group.units.length] }, true);
    names.push(name);
    return valueIn(b, name);
  });
  const { ys } = appendObjective(builder, [graph.outputs[0]!.name], { loss: "cross-entropy" });
  const found = differentiate(builder, ys, names);
  const outputs = names.map((name) => found.get(name)!.name);
  const values = names.map((name, i) => [name, { dtype: "float32", shape: [z[i]!.length], data: z[i]! }] as const);
  const results = await runGraph(finishGraph(builder, outputs), { ...feeds, ...Object.fromEntries(values) });
  return outputs.flatMap((name) => Array.from(results[name]!.data as Float32Array));
}

const nets = ["plain-cnn", "residual-conv", "inception", "gate", "lstm"];
const feedsFor = async (graph: Graph): Promise<Record<string, Tensor>> => {
  const data = randomDataset(graph, { samples: batch, labels: 2 });
  for await (const { inputs, target } of data.batches({ batchSize: batch })) return { ...inputs, target: target! };
  return {};
};

describe("the Hessian over the gates", () => {
  for (const net of nets)
    it(`${net}: products agree with differences of gradients, and rows and diagonal with the explicit matrix`, async () => {
      const graph = smoothed(prepare(normaliseNet(net)));
      const feeds = await feedsFor(graph);
      const { graph: product, gated } = curvatureGraph(graph, { loss: "cross-entropy", batchSize: batch });
      const total = gated.reduce((n, { units }) => n + units, 0);
      const session = await directRuntime.load(executable(product), { threads: 1 });
      const multiply = async (v: Float32Array): Promise<number[]> => {
        const directions: Record<string, Tensor> = {};
        let at = 0;
        for (const { name, units } of gated) {
          directions[`direction/${name}`] = { dtype: "float32", shape: [units], data: v.slice(at, at + units) };
          at += units;
        }
        const results = await session.run({ ...feeds, ...directions });
        return gated.flatMap(({ name }) => Array.from(results[`product/${name}`]!.data as Float32Array));
      };
      const ones = await multiply(new Float32Array(total).fill(1));
      const matrix: number[][] = [];
      for (let m = 0; m < total; m++)
        matrix.push(await multiply(new Float32Array(total).map((_, i) => (i === m ? 1 : 0))));
      const largest = Math.max(...matrix.flat().map(Math.abs));
      const rows = matrix.map((row) => row.reduce((a, b) => a + b, 0));
      const scale = Math.max(...rows.map(Math.abs));
      ones.forEach((value, m) => expect(Math.abs(value - rows[m]!)).toBeLessThan(1e-4 * scale));
      matrix.forEach((row, m) =>
        row.forEach((value, k) => expect(Math.abs(value - matrix[k]![m]!)).toBeLessThan(1e-4 * largest)),
      );

      const next = random(5);
      const direction = Float32Array.from({ length: total }, () => next() - 0.5);
      const step = 1e-2;
      const at = (sign: number) => {
        let from = 0;
        return gated.map(({ units }) => {
          const z = direction.slice(from, from + units).map((value) => 1 + sign * step * value);
          from += units;
          return z;
        });
      };
      const [up, down] = [await gateGradients(graph, at(1), feeds), await gateGradients(graph, at(-1), feeds)];
      const along = await multiply(direction);
      await session.dispose();
      const norm = Math.hypot(...along);
      const differences = along.map((value, m) => value - (up[m]! - down[m]!) / (2 * step));
      expect(Math.hypot(...differences) / norm).toBeLessThan(1e-2);

      const data = randomDataset(graph, { samples: batch, labels: 2 });
      const options = { loss: "cross-entropy", batchSize: batch, batches: 1, seed: 0, threads: 1 } as const;
      const exact = [
        ...(await score(directRuntime, graph, data, findCriterion("obd"), { ...options, probes: 0 })).values(),
      ];
      exact
        .flatMap((values) => Array.from(values))
        .forEach((value, m) => expect(Math.abs(value - matrix[m]![m]! / 2)).toBeLessThan(1e-4 * largest));
    });

  it("random directions come near the exact diagonal, the same for the same seed", async () => {
    const graph = smoothed(prepare(normaliseNet("plain-cnn")));
    const data = randomDataset(graph, { samples: batch, labels: 2 });
    const estimate = async (probes: number, seed: number) => {
      const options = { loss: "cross-entropy", batchSize: batch, batches: 1, seed, threads: 1, probes } as const;
      const scores = await score(directRuntime, graph, data, findCriterion("obd"), options);
      return [...scores.values()].flatMap((values) => Array.from(values));
    };
    const exact = await estimate(0, 0);
    const many = await estimate(256, 0);
    const error = Math.hypot(...many.map((value, m) => value - exact[m]!)) / Math.hypot(...exact);
    const few = await estimate(4, 0);
    const coarse = Math.hypot(...few.map((value, m) => value - exact[m]!)) / Math.hypot(...exact);
    // The error falls with the root of the number of directions: by 8 from 4 to 256 on average.
    expect(error).toBeLessThan(coarse / 2);
    expect(await estimate(4, 0)).toEqual(few);
    expect(await estimate(4, 1)).not.toEqual(few);
  });
});

function normaliseNet(name: string) {
  const model = loadModel(readNetModel(name));
  return { ...model, graph: normalise(model.graph) };
}
