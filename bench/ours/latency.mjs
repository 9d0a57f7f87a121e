/** A network and cuts of it to half its multiply-accumulates, in turns, one image at a time. */

import {
  costsOf,
  cutGraph,
  encodeModel,
  findCriterion,
  findGroups,
  directRuntime,
  prepare,
  readModelFile,
  selectShare,
  trace,
  withGraph,
} from "../../dist/node.js";

const aim = 0.5;
/** Runs that stand for one time: single ones are too short to be told from noise. */
const runsEach = 5;

/** The cut, the same share of every group, whose multiply-accumulates come nearest to the aim. */
function halve(graph, roundTo) {
  const groups = findGroups(trace(graph));
  const scores = findCriterion("magnitude").score(groups, graph.initializers, 0);
  const whole = costsOf(trace(graph)).macs;
  let best;
  for (let ratio = 0.02; ratio < 0.7; ratio += 0.01) {
    const removal = selectShare(groups, scores, { ratio, scope: "local", roundTo });
    if (removal.size === 0) continue;
    const smaller = cutGraph(graph, groups, removal).graph;
    const macs = costsOf(trace(smaller)).macs / whole;
    if (best === undefined || Math.abs(macs - aim) < Math.abs(best.macs - aim)) best = { macs, graph: smaller };
  }
  return best;
}

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
