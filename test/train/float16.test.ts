/** A float16 model is pruned and learns in float32, and is a float16 model again when it is written. */

import { expect, it } from "vitest";
import { float32, toNumbers } from "../../src/graph/tensor.ts";
import { prune } from "../../src/jobs/prune.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { narrowTensor, widen, widenTensor } from "../../src/passes/widen.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { random, runGraph } from "../support/graphs.ts";
import { randomDataset } from "../support/datasets.ts";
import { readNetModel, relativeError } from "../support/reference.ts";

// The first has float16 inputs and outputs, the second casts on the way in and out.
it.each(["float16", "float16-cast"])(
  "%s: what is pruned is smaller, keeps its types and computes what it learned",
  async (name) => {
    const model = loadModel(readNetModel(name));
    const data = randomDataset(prepare(model), { samples: 16, seed: 3, labels: 5 });
    const job = prune(model, {
      runtime: directRuntime,
      data,
      budget: { units: 0.7 },
      batchSize: 8,
      every: 2,
      epochs: 1,
      threads: 1,
    });
    const { model: small, end, before, after } = await job.result;
    expect(end).toBe("met");
    expect(after.units).toBeLessThanOrEqual(0.7 * before.units);
    const written = loadModel(encodeModel(small));
    expect([written.graph.inputs, written.graph.outputs]).toEqual([model.graph.inputs, model.graph.outputs]);
    const typesOf = ({ graph }: typeof model) => [...graph.initializers].map(([key, { dtype }]) => [key, dtype]);
    expect(typesOf(written)).toEqual(typesOf(model));
    expect(typesOf(written).filter(([, dtype]) => dtype === "float16").length).toBeGreaterThan(10);

    const [input] = written.graph.inputs;
    const next = random(7);
    const wide = float32(
      [8, 3, 8, 8],
      Array.from({ length: 8 * 192 }, () => next() * 2 - 1),
    );
    const feed = input!.dtype === "float16" ? narrowTensor(wide) : wide;
    const found = Object.values(await runGraph(written.graph, { [input!.name]: feed }))[0]!;
    const expected = Object.values(await runGraph(widen(written.graph), { [input!.name]: widenTensor(feed) }))[0]!;
    expect(found.dtype).toBe(model.graph.outputs[0]!.dtype);
    expect(found.data).toHaveLength(8 * 5);
    expect(relativeError(toNumbers(widenTensor(found)), toNumbers(expected))).toBeLessThan(1e-2);
  },
);
