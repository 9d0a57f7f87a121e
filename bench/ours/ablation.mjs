/** Training steps with one thing left out that makes them faster or smaller. */

import { nodeRuntime } from "../../dist/node.js";
import { blockedDomain } from "../../dist/ops/gradients/channel-block.js";
import { runtimeWith } from "./runtime.mjs";
import { openTraining } from "./train.mjs";

const withSession = (change) => (side) => ({ ...side, runtime: runtimeWith(change, side.threads) });

/** A runtime that has no kernels for channels in blocks, as on processors without AVX. */
const withoutBlocks = {
  ...nodeRuntime,
  worker: undefined,
  async load(model, options) {
    if (Buffer.from(model.bytes ?? model).includes(blockedDomain)) throw new Error(`no ${blockedDomain}`);
    return nodeRuntime.load(model, options);
  },
};

const without = {
  blocks: (side) => ({ ...side, runtime: withoutBlocks }),
  pattern: withSession({ enableMemPattern: true }),
  optimiser: withSession({ graphOptimizationLevel: "all" }),
  workers: (side) => ({ ...side, workers: 1 }),
};

export const open = (side) => openTraining(side.off ? without[side.off](side) : side);
