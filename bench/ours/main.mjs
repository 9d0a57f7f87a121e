/**
 * Secateur's side of a benchmark; the same lines as peers/torch_side.py, and for what has no peer too: a process of its own shows its own memory.
 *
 * Usage: node bench/ours/main.mjs CASE.json
 */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { writeResults } from "../lib/arrays.mjs";

const openers = {
  score: () => import("./score.mjs"),
  train: () => import("./train.mjs"),
  profile: () => import("./profile.mjs"),
  ablation: () => import("./ablation.mjs"),
  removal: () => import("./removal.mjs"),
  prune: () => import("./prune.mjs"),
  infer: () => import("./infer.mjs"),
  analysis: () => import("./analysis.mjs"),
  latency: () => import("./latency.mjs"),
};
const side = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { open } = await openers[side.what]();
const { step, results } = await open(side);

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const versionOf = (path) =>
  JSON.parse(readFileSync(new URL(`../../${path}package.json`, import.meta.url), "utf8")).version;
say({
  secateur: versionOf(""),
  "onnxruntime-node": versionOf("node_modules/onnxruntime-node/"),
  node: process.version.slice(1),
});
for await (const line of createInterface({ input: process.stdin })) {
  const { do: todo } = JSON.parse(line);
  if (todo === "step") {
    const start = performance.now();
    const answer = await step();
    say({ ms: performance.now() - start, ...answer });
  } else if (todo === "results") {
    say(writeResults(`${side.folder}/ours-${[side.what, side.off ?? []].flat().join("-")}.bin`, await results()));
  } else if (todo === "memory") {
    say({ bytes: process.resourceUsage().maxRSS * 1024 });
  }
}
