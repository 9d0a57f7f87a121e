/** Differentiation is closed under itself: differentiating a gradient graph gives Hessian-vector products. */

import { describe, expect, it } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { tensor, type Tensor } from "../../src/graph/tensor.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { valueIn } from "../../src/ops/emitter.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { appendBackward, finishGraph } from "../../src/objective/backward.ts";
import { random, runGraph } from "../support/graphs.ts";
import { readNetModel, readNetReference } from "../support/reference.ts";
import { smoothed } from "../support/smooth.ts";
import { lawsBut } from "../support/laws.ts";

/** Differences of float32 gradients over this step. */
const step = 2e-3;
const tolerance = 2e-2;

const nets = [
  "plain-cnn",
  "vgg",
  "residual-conv",
  "depthwise",
  "inception",
  "gate",
  "mlp",
  "odd-strides",
  "dense",
  "lstm",
  "gru",
];

/** Of the smallest kind: convolution, recurrence, products. */
const few = ["gate", "mlp"];

describe("Hessian-vector products agree with differences of gradients", () => {
  for (const name of nets)
    for (const train of [false, true])
      it(`${name}: ${train ? "training" : "inference"} mode`, lawsBut(few, name), async () => {
        const reference = readNetReference(name);
        if (train && !reference.train) return;
        const graph = smoothed(normalise(loadModel(readNetModel(name)).graph));
        const batch = reference.input.shape[0]!;
        const backward = appendBackward(graph, { batch, loss: "cross-entropy", parameters: true, train });
        const { builder, g, parameters } = backward;
        const next = random(2);
        const direction = new Map<string, Tensor>();
        for (const parameter of parameters.keys()) {
          const value = valueIn(builder, parameter);
          direction.set(parameter, {
            dtype: "float32",
            shape: value.shape,
            data: Float32Array.from({ length: value.constant!.data.length }, () => next() - 0.5),
          });
        }
        const ys = [...parameters].map(([parameter, value]) => ({
          value,
          seed: g.constant(direction.get(parameter)!),
        }));
        const second = differentiate(builder, ys, [...parameters.keys()]);
        const product = [...parameters.keys()].map((parameter) => {
          const value = second.get(parameter);
          return value
            ? g.summed(
                g.Mul(value, g.constant(direction.get(parameter)!)),
                value.shape.map((_, i) => i),
              )
            : g.scalar(0);
        });
        const slope = ys.map(({ value, seed }) =>
          g.summed(
            g.Mul(value, seed),
            value.shape.map((_, i) => i),
          ),
        );
        const [curvature, along] = [g.Sum(...product), g.Sum(...slope)];
        const whole = finishGraph(builder, [curvature.name, along.name]);
        const feeds = {
          [graph.inputs[0]!.name]: {
            dtype: "float32" as const,
            shape: reference.input.shape,
            data: Float32Array.from(reference.input.values),
          },
          target: tensor("int64", [batch], reference.labels!),
        };
        const at = async (by: number) => {
          const initializers = new Map(whole.initializers);
          for (const [parameter, { data }] of direction) {
            const old = initializers.get(parameter);
            if (old)
              initializers.set(parameter, {
                ...old,
                data: (old.data as Float32Array).map((w, i) => w + by * Number(data[i])),
              });
          }
          const results = await runGraph({ ...whole, initializers }, feeds);
          return { curvature: Number(results[curvature.name]!.data[0]), slope: Number(results[along.name]!.data[0]) };
        };
        const [here, plus, minus] = [await at(0), await at(step), await at(-step)];
        const numeric = (plus.slope - minus.slope) / (2 * step);
        expect(Math.abs(here.curvature - numeric), `${here.curvature} against ${numeric}`).toBeLessThan(
          tolerance * Math.max(1, Math.abs(numeric)),
        );
      });
});
