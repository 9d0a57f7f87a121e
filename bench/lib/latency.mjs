/** What a network at half its multiply-accumulates takes of its time: the original and cuts of it in turns, one image at a time. */

import {
  costsOf,
  cut,
  encodeModel,
  findCriterion,
  findGroups,
  nodeRuntime,
  prepare,
  readModelFile,
  selectShare,
  trace,
  withGraph,
} from "../../dist/node.js";
import { median, spread } from "./numbers.mjs";

const aim = 0.5;
const roundings = [1, 8, 16];
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
    const smaller = cut(graph, groups, removal).graph;
    const macs = costsOf(trace(smaller)).macs / whole;
    if (best === undefined || Math.abs(macs - aim) < Math.abs(best.macs - aim)) best = { macs, graph: smaller };
  }
  return best;
}

export async function measureLatency({ net, folder, size, threads, rounds }) {
  const model = await readModelFile(`${folder}/${net}.onnx`);
  const graph = prepare(model);
  const variants = new Map([["whole", { macs: 1, graph }], ...roundings.map((n) => [n, halve(graph, n)])]);
  const sessions = new Map();
  const feeds = {
    input: { dtype: "float32", shape: [1, 3, size, size], data: new Float32Array(3 * size * size).fill(0.5) },
  };
  try {
    for (const [name, variant] of variants)
      sessions.set(name, await nodeRuntime.load(encodeModel(withGraph(model, variant.graph)), { threads }));
    const times = new Map([...variants.keys()].map((name) => [name, []]));
    for (let round = -2; round < rounds * 3; round++)
      for (const [name, session] of sessions) {
        const start = performance.now();
        for (let i = 0; i < runsEach; i++) await session.run(feeds);
        if (round >= 0) times.get(name).push((performance.now() - start) / runsEach);
      }
    const whole = median(times.get("whole"));
    const rows = roundings.map((roundTo) => {
      const ms = median(times.get(roundTo));
      const { macs } = variants.get(roundTo);
      console.log(
        `  --round-to ${roundTo}: ${(100 * macs).toFixed(1)} % of the multiply-accumulates, ${((100 * ms) / whole).toFixed(1)} % of the time (${ms.toFixed(2)} of ${whole.toFixed(2)} ms)`,
      );
      return { roundTo, macs, ms, latency: ms / whole, spread: spread(times.get(roundTo)) };
    });
    return { ms: { whole }, spread: { whole: spread(times.get("whole")) }, rows };
  } finally {
    for (const session of sessions.values()) await session.dispose();
  }
}
