/** A process that takes mutants through the library one by one; the one that started it watches how long each takes. */

import { baseModels } from "./models.mjs";
import { attempt } from "./attempt.mjs";
import { mutantOf } from "./mutate.mjs";

const lib = await import("./library.mjs");
const bases = baseModels(lib);
/** One of so many goes by way of files. */
const files = 8;

/** Inputs of ones, of the sizes that a model states; open ones are 1. */
function feedsOf(model) {
  const feeds = {};
  for (const { name, dtype, shape = [] } of model.graph.inputs) {
    const fixed = shape.map((dim) => (typeof dim === "number" ? dim : 1));
    const count = fixed.reduce((n, dim) => n * dim, 1);
    if (dtype !== "float32" || count > 2 ** 20) return undefined;
    feeds[name] = { dtype, shape: fixed, data: new Float32Array(count).fill(1) };
  }
  return feeds;
}

/** What the runtime says to a model that came through. */
async function runModel(encoded) {
  const feeds = feedsOf(lib.loadModel(encoded));
  if (feeds === undefined) return "not run";
  let session;
  try {
    session = await lib.nodeRuntime.load(encoded, { threads: 1 });
    await session.run(feeds);
    return "ran";
  } catch (error) {
    if (error instanceof lib.SecateurError) return session ? "stopped" : "not loaded";
    throw error;
  } finally {
    await session?.dispose();
  }
}

process.on("message", async ({ seed, number, runs }) => {
  const start = performance.now();
  const { base, kind, bytes } = mutantOf(bases, seed, number);
  const { code, message, encoded } = await attempt(lib, bytes, number % files === 0);
  const ms = performance.now() - start;
  let ran;
  if (encoded && number % runs === 0) {
    process.send({ number, base, kind, stage: "runtime" });
    ran = await runModel(encoded);
  }
  process.send({ number, base, kind, code, message, ms, ran, rss: process.memoryUsage().rss });
});
process.send({ ready: true });
