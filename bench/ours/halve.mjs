/** A network cut to about half of its multiply-accumulates. */

import { analyse, cutGraph, findCriterion, selectShare } from "../../dist/graphs-node.js";

const aim = 0.5;

/** The cut, the same share of every group, whose multiply-accumulates come nearest to the aim. */
export function halve(graph, roundTo) {
  const groups = analyse(graph);
  const scores = findCriterion("magnitude").score(groups, graph.initializers, 0);
  const whole = groups.costs.macs;
  let best;
  for (let ratio = 0.02; ratio < 0.7; ratio += 0.01) {
    const removal = selectShare(groups, scores, { ratio, scope: "local", roundTo });
    if (removal.size === 0) continue;
    const smaller = cutGraph(graph, groups, removal).graph;
    const macs = analyse(smaller).costs.macs / whole;
    if (best === undefined || Math.abs(macs - aim) < Math.abs(best.macs - aim)) best = { macs, graph: smaller };
  }
  return best;
}
