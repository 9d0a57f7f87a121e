/** Steps in units of a weight's size: what makes a weight smaller, and its gradient larger, changes nothing. */

import { expect, it } from "vitest";
import { prepare } from "../../src/graphs-node.ts";
import { newModel } from "../../src/node.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { float32, toNumbers } from "../../src/graph/tensor.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { createOptimiser } from "../../src/train/optimisers.ts";
import { clockAt, openClock, stepGraph } from "../../src/train/step.ts";
import { runGraph } from "../support/graphs.ts";

const [weight, gradient] = [
  [3, -4, 0, 1],
  [0.5, -2, 1, 3],
];

async function step(factor: number, relative: boolean): Promise<number[]> {
  const builder = GraphBuilder.empty("update");
  const g = createEmitter(builder);
  const of = (name: string) => valueIn(builder, builder.input(name, { dtype: "float32", shape: [4] }, true));
  const parameter = { weight: of("w"), gradient: of("g"), optimiserState: [of("m"), of("v")] };
  const wanted = { kind: "adamw", weightDecay: 0, relative } as const;
  const optimiser = createOptimiser(wanted);
  const next = optimiser.update(g, parameter, openClock(builder));
  const results = await runGraph(builder.finish([next.weight.name]), {
    w: float32(
      [4],
      weight!.map((x) => x * factor),
    ),
    g: float32(
      [4],
      gradient!.map((x) => x / factor),
    ),
    m: float32([4], [0, 0, 0, 0]),
    v: float32([4], [0, 0, 0, 0]),
    ...clockAt(0.01, 0, { optimiser: wanted }),
  });
  return toNumbers(results[next.weight.name]!).map((x, i) => x / factor - weight![i]!);
}

it("relative steps of AdamW are as long as a weight is large, whatever its scale", async () => {
  // The first step goes against the sign of the gradient, by 0.01 times the root mean square of the weight.
  const size = Math.sqrt((9 + 16 + 1) / 4);
  const expected = gradient!.map((x) => -0.01 * size * Math.sign(x));
  for (const factor of [1, 1 / 255, 100])
    (await step(factor, true)).forEach((moved, i) => expect(moved, `${factor}`).toBeCloseTo(expected[i]!, 5));
  (await step(1 / 255, false)).forEach((moved, i) => expect(moved).toBeCloseTo(-2.55 * Math.sign(gradient![i]!), 4));
});

it("no step takes float64, of which the runtime's build for WebGPU has no kernels", () => {
  const net = prepare(newModel("lenet5", { classes: 10, seed: 1 }));
  const optimisers = [{ kind: "sgd" }, { kind: "adamw" }, { kind: "adamw", relative: true }] as const;
  for (const optimiser of optimisers) {
    const learning = { optimiser, ema: 0.99, clip: 1 };
    const { graph, types } = stepGraph(net, { batch: 2, loss: "cross-entropy", ...learning });
    const wide = [...types].filter(([, { dtype }]) => dtype === "float64").map(([name]) => name);
    expect(wide, JSON.stringify(optimiser)).toEqual([]);
    const inputs = graph.inputs.map(({ name }) => name);
    expect(inputs).toEqual(expect.arrayContaining(Object.keys(clockAt(0.1, 0, learning))));
  }
});
