/** Scoring passes on one batch: the network, the loss and the gradient of every gate. */

import { nodeRuntime } from "../../dist/node.js";
import { producersOf } from "../../dist/graph/graph.js";
import { findGates } from "../../dist/prune/gates/gates.js";
import { openBackwardPass } from "../../dist/score/provider.js";
import { readSamples, readNet } from "./net.mjs";

export const open = (side) => openScoring(side);

export async function openScoring({ runtime = nodeRuntime, graph, ...side }) {
  const { batch, threads, device } = side;
  const { x, y } = readSamples(side);
  const options = { batchSize: batch, loss: "cross-entropy", threads, device };
  const pass = await openBackwardPass(runtime, graph ?? (await readNet(side)), ["gates"], options);
  let found;
  return {
    async step() {
      const { loss, findings } = await pass.measure({ input: x, target: y });
      found = findings;
      return { loss };
    },
    close: () => pass[Symbol.asyncDispose](),
    /** The gates of groups that have one place, behind a BatchNormalization: by the name of the weight of the convolution before it. */
    results() {
      const gates = findGates(pass.groups);
      const producers = producersOf(pass.groups.graph);
      return pass.groups.groups.flatMap((group) => {
        const own = found.get(group.name)?.gates;
        const places = gates.get(group.name);
        if (own === undefined || places.length !== 1) return [];
        const convolution = producers.get(producers.get(places[0].value)?.inputs[0]);
        return convolution ? [[convolution.inputs[1], own]] : [];
      });
    },
  };
}
