/** Inference on one batch. */

import { encodeModel } from "../../dist/node.js";
import { directRuntime, readModelFile } from "../../dist/graphs-node.js";
import { readSamples } from "./net.mjs";

export async function open(side) {
  const { net, folder, threads } = side;
  const { x } = readSamples(side);
  const session = await directRuntime.load(encodeModel(await readModelFile(`${folder}/${net}.onnx`)), { threads });
  const [input] = session.inputs;
  const [output] = session.outputs;
  let found;
  return {
    async step() {
      found = (await session.run({ [input]: x }))[output];
      return {};
    },
    results: () => [["logits", found.data]],
  };
}
