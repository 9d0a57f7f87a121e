/** How long it takes to find what can be removed from a network, from its file on. */

import { findGroups, prepare, readModelFile, trace } from "../../dist/node.js";
import { median, spread } from "./numbers.mjs";

export async function measureAnalysis({ net, folder, rounds, target }) {
  const times = [];
  let groups;
  let nodes;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    const graph = prepare(await readModelFile(`${folder}/${net}.onnx`));
    groups = findGroups(trace(graph)).groups;
    times.push(performance.now() - start);
    nodes = graph.nodes.length;
  }
  const units = groups.reduce((n, group) => n + group.units.length, 0);
  const ms = median(times);
  console.log(
    `  ${(ms / 1000).toFixed(2)} s (aim ${target} s), the first ${(times[0] / 1000).toFixed(2)} s; ${nodes} nodes, ${groups.length} groups, ${units} units`,
  );
  return { ms: { ours: ms, first: times[0] }, spread: { ours: spread(times) }, nodes, groups: groups.length, units };
}
