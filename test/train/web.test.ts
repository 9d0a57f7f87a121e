/** Learning on the runtime of browsers; here in Node, by its wasm. */

import * as web from "onnxruntime-web";
import { expect, it } from "vitest";
import { prepare } from "../../src/execute/prepare.ts";
import { tensor } from "../../src/graph/tensor.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { createRuntime } from "../../src/runtime/onnxruntime.ts";
import type { Runtime } from "../../src/runtime/port.ts";
import { openTrainer } from "../../src/train/trainer.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { random } from "../support/graphs.ts";
import { relativeError } from "../support/reference.ts";

const net = prepare(newModel("lenet5", { classes: 10, seed: 1 }));
const shape = [8, ...(net.inputs[0]!.shape!.slice(1) as number[])];

async function learn(runtime: Runtime, relative: boolean) {
  const optimiser = { kind: "adamw", weightDecay: 0.1, relative } as const;
  const options = { loss: "cross-entropy", batch: 8, threads: 1, optimiser, ema: 0.99, clip: 1 } as const;
  await using trainer = await openTrainer(runtime, net, options);
  for (const i of [0, 1, 2]) {
    const next = random(i + 7);
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => next() * 2 - 1);
    const target = tensor("int64", [8], [1, 0, 0, 1, 5, 9, 2, 3]);
    await trainer.step({ inputs: { "": { dtype: "float32", shape, data } }, target, size: 8 }, 0.003, i);
  }
  return trainer.state();
}

it.each([false, true])("AdamW with averages learns what it learns in Node; relative steps: %s", async (relative) => {
  const expected = await learn(directRuntime, relative);
  const found = await learn(createRuntime(web, { threads: 1 }), relative);
  expect([...found.optimiserState.keys()]).toEqual([...expected.optimiserState.keys()]);
  for (const [name, value] of [...expected.graph.initializers, ...expected.optimiserState]) {
    const other = found.graph.initializers.get(name) ?? found.optimiserState.get(name)!;
    expect(relativeError(other.data as Float32Array, value.data as Float32Array), name).toBeLessThan(1e-3);
  }
});
