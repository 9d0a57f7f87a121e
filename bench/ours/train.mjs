/** Training steps on one batch. */

import { nodeRuntime } from "../../dist/node.js";
import { openTrainer } from "../../dist/train/trainer.js";
import { readSamples, readNet } from "./net.mjs";

export const open = (side) => openTraining(side);

export async function openTraining({ runtime = nodeRuntime, graph, ...side }) {
  const { batch, threads, workers, device, weightDecay = 1e-4 } = side;
  const { x, y } = readSamples(side);
  graph ??= await readNet(side);
  const optimiser = { kind: "sgd", momentum: 0.9, weightDecay, nesterov: true };
  const trainer = await openTrainer(runtime, graph, {
    batch,
    loss: "cross-entropy",
    optimiser,
    threads,
    workers,
    device,
  });
  return {
    async step() {
      const { loss } = await trainer.step({ inputs: { "": x }, target: y, size: batch, indices: [] }, 0.01);
      return { loss };
    },
    close: () => trainer.dispose(),
    /** What the steps so far changed of each weight. */
    async results() {
      const { initializers } = (await trainer.state()).graph;
      return [...graph.initializers].flatMap(([name, { data }]) => {
        const now = initializers.get(name).data;
        return data instanceof Float32Array ? [[name, now.map((value, i) => value - data[i])]] : [];
      });
    },
  };
}
