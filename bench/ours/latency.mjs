/** A network and cuts of it to half its multiply-accumulates, in turns, one image at a time. */

import { directRuntime, prepare, readModelFile, withGraph } from "../../dist/graphs-node.js";
import { encodeModel } from "../../dist/node.js";
import { halve } from "./halve.mjs";

/** Runs that stand for one time: single ones are too short to be told from noise. */
const runsEach = 5;

export async function open({ net, folder, size, threads, roundings }) {
  const model = await readModelFile(`${folder}/${net}.onnx`);
  const graph = prepare(model);
  const variants = [{ macs: 1, graph }, ...roundings.map((n) => halve(graph, n))];
  const feeds = {
    input: { dtype: "float32", shape: [1, 3, size, size], data: new Float32Array(3 * size * size).fill(0.5) },
  };
  const sessions = [];
  for (const variant of variants)
    sessions.push(await directRuntime.load(encodeModel(withGraph(model, variant.graph)), { threads }));
  return {
    /** The milliseconds of each, the whole network first. */
    async step() {
      const each = [];
      // The fastest of some runs, as everywhere else: what the machine does besides only ever makes a run slower.
      for (const session of sessions) each.push(Math.min(...(await session.time(feeds, runsEach))));
      return { each, macs: variants.map(({ macs }) => macs) };
    },
  };
}
