/** Inference and a training step of a small network beside TensorFlow.js, with its backends in JavaScript and in WebAssembly. */

import { prepare, readModelFile } from "../../dist/graphs-node.js";
import { writeResults } from "./arrays.mjs";
import { writeSamples } from "./batch.mjs";
import { compareLogits, compareUpdates } from "./compare.mjs";
import { rate, times } from "./numbers.mjs";
import { openOurs, openTfjs } from "./open.mjs";
import { closeAll, each, inTurns } from "./turns.mjs";

const backends = ["cpu", "wasm"];
/** A shallow network in float32: only the order of sums differs. */
const mostDifference = 1e-3;
const compares = { infer: compareLogits, train: compareUpdates };

/** The weights in a file, as the peer reads them. */
async function writeWeights({ folder, net }) {
  const { initializers } = prepare(await readModelFile(`${folder}/${net}.onnx`));
  const all = [...initializers].filter(([, { dtype }]) => dtype === "float32");
  const shapes = all.map(([, { shape }]) => shape);
  return {
    shapes,
    ...writeResults(
      `${folder}/${net}-weights.bin`,
      all.map(([name, { data }]) => [name, data]),
    ),
  };
}

/** The first step of each, beside ours. */
async function check(sides, what) {
  await each(sides, (side) => side.ask("step"));
  const ours = await sides.ours.ask("results");
  const found = {};
  for (const backend of backends) {
    const { error, ...rest } = compares[what](ours, await sides[backend].ask("results"));
    const text = `${rest.what} within ${error.toExponential(1)} (${rest.compared})`;
    if (!(error < mostDifference && rest.compared > 0))
      throw new Error(`${backend} does not compute the same: ${text}`);
    console.log(`  ${what} same on ${backend}: ${text}`);
    found[backend] = { error, ...rest };
  }
  return found;
}

async function measure(settings) {
  const { what, batch, rounds } = settings;
  const sides = { ours: await openOurs(settings) };
  try {
    for (const backend of backends) sides[backend] = await openTfjs(backend, settings);
    const same = await check(sides, what);
    const { ms, spread, memory } = await inTurns(sides, rounds * 3);
    const ratios = Object.fromEntries(backends.map((backend) => [backend, ms[backend] / ms.ours]));
    const imagesPerSecond = await each(sides, (_, name) => (batch / ms[name]) * 1000);
    const rates = backends.map((backend) => `${backend} ${rate(imagesPerSecond[backend])} (${times(ratios[backend])})`);
    console.log(`  ${what}: ${rate(imagesPerSecond.ours)} images/s, ${rates.join(", ")}`);
    const versions = { ...sides.ours.versions, ...sides.wasm.versions };
    return { row: { what, check: same, ms, spread, imagesPerSecond, ratios, memory }, versions };
  } finally {
    await closeAll(sides);
  }
}

export async function measureTfjs(settings) {
  const samples = { ...settings, samples: settings.batch };
  const common = {
    ...samples,
    files: writeSamples(settings.folder, samples),
    weights: await writeWeights(settings),
    // The optimiser of TensorFlow.js has no weight decay.
    weightDecay: 0,
  };
  const infer = await measure({ ...common, what: "infer" });
  const train = await measure({ ...common, what: "train" });
  return { rows: [infer.row, train.row], versions: train.versions };
}
