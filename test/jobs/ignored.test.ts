/** Data in which nothing counts: told where it is measured, refused where it would be learned from. */

import { expect, it } from "vitest";
import { tensor } from "../../src/graph/tensor.ts";
import { evaluate, finetune } from "../../src/node.ts";
import type { Loss } from "../../src/options/loss.ts";
import { modelOf, noise, tinyNet } from "../support/graphs.ts";
import { datasetOf } from "../support/loss-files.ts";

const loss: Loss = { kind: "cross-entropy", ignore: 255 };

/** A net [N, 3, 2] -> [N, 5, 2], two places for each sample, and four samples with these class ids. */
function given(ids: readonly number[]) {
  const { g, x, weight, finish } = tinyNet([4, 3, 2]);
  const graph = finish(g.MatMul(g.Relu(g.MatMul(weight("in", [5, 3]), x)), weight("out", [2, 2])));
  const [only] = graph.inputs;
  const inputs = [{ ...only!, shape: ["N", 3, 2] }];
  const outputs = graph.outputs.map(({ name, dtype }) => ({ name, dtype }));
  const samples = { inputs: { x: noise([4, 3, 2], 1) }, target: tensor("int64", [4, 2], ids), size: 4 };
  return { model: modelOf({ ...graph, inputs, outputs }), data: datasetOf(samples, 8) };
}

const common = { loss, batchSize: 4, threads: 1 } as const;
const none = [255, 255, 255, 255, 255, 255, 255, 255];

it("is told where it is measured", async () => {
  const notesOf = async (ids: readonly number[]): Promise<string[]> => {
    const { model, data } = given(ids);
    const notes: string[] = [];
    await evaluate(model, { ...common, data, onNote: (text) => void notes.push(text) });
    return notes;
  };
  expect(await notesOf(none)).toEqual([expect.stringMatching(/^nothing was measured: the targets of all 8 samples/u)]);
  expect(await notesOf(none.with(3, 1))).toEqual([]);
});

it("is refused where it would be learned from", async () => {
  const learned = (ids: readonly number[], workers: number) => {
    const { model, data } = given(ids);
    return finetune(model, { ...common, data, epochs: 1, learningRate: 0.01, workers });
  };
  for (const workers of [1, 2]) {
    await expect(learned(none, workers)).rejects.toThrow(
      /the first minibatch, of 4 samples, has nothing to learn from/,
    );
    await learned(none.with(6, 1), workers);
  }
});
