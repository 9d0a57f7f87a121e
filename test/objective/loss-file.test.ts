/** Losses of files: their values and gradients are PyTorch's, whichever exporter wrote them. */

import { describe, expect, it } from "vitest";
import { openModel } from "../../src/jobs/opened.ts";
import { gradientGraph } from "../../src/objective/backward.ts";
import type { FileLoss, Loss } from "../../src/options/loss.ts";
import { nodeRuntime } from "../../src/runtime/workers-node.ts";
import { runGraph } from "../support/graphs.ts";
import { batchOf, datasetOf, lossNets, readLoss, readLossReference, type LossNet } from "../support/loss-files.ts";
import { relativeError } from "../support/reference.ts";

/** The loss of a file as jobs make it ready. */
async function settled(net: LossNet, loss: FileLoss) {
  const batch = batchOf(readLossReference(net));
  const opened = await openModel(await readLoss(net), {
    runtime: nodeRuntime,
    threads: 1,
    batchSize: batch.size,
    data: datasetOf(batch, batch.size),
    loss,
  });
  return { graph: opened.graph, loss: opened.sized.loss, batch };
}

/** Loss and gradients of all weights. */
async function gradients(net: LossNet, file: string, train: boolean) {
  const { graph, loss, batch } = await settled(net, { kind: "file", model: await readLoss(file) });
  const whole = gradientGraph(graph, { batch: batch.size, loss, train, wrt: "parameters" });
  const targets = Object.entries(batch.targets ?? {}).map(([name, value]) => [`target/${name}`, value] as const);
  const feeds = {
    image: batch.inputs[""]!,
    ...Object.fromEntries(targets),
    ...(batch.target && { target: batch.target }),
  };
  return { results: await runGraph(whole, feeds), loss };
}

const isApart = (loss: Loss): boolean | undefined => (loss as readonly FileLoss[])[0]!.isApart;

for (const net of lossNets)
  describe(`a ${net}'s loss`, () => {
    for (const mode of ["eval", "train"] as const)
      for (const form of ["each", "mean"] as const)
        for (const exporter of ["older", "dynamo", ...(form === "each" ? ["fixed"] : [])])
          it(`${mode}, ${form}, ${exporter}`, async () => {
            const expected = readLossReference(net)[`${mode}-${form}`];
            const { results, loss } = await gradients(net, `${net}-${form}-${exporter}`, mode === "train");
            const numbers = Array.from(expected.loss.values);
            const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
            expect(Math.abs(Number(results["loss"]!.data[0]) - mean) / mean).toBeLessThan(1e-5);
            for (const [name, gradient] of Object.entries(expected.gradients)) {
              const actual = results[`grad/${name}`]!;
              expect(actual.shape).toEqual(gradient.shape);
              expect(relativeError(actual.data as Float32Array, gradient.values), name).toBeLessThan(1e-5);
            }
            // A detector's sum over the positives of the batch is no mean over samples.
            expect(isApart(loss)).toBe(form === "each" || net === "segmenter");
          });
  });
