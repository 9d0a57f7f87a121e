/** Scoring and training beside PyTorch: the same batch on both sides, checked, then in turns. */

import { writeFileSync } from "node:fs";
import { compareGates, compareUpdates } from "./compare.mjs";
import { openChild } from "./child.mjs";
import { median, spread } from "./numbers.mjs";
import { writeBatch } from "./batch.mjs";

/** Rounding in float32 turns the choices of some Relus, which deep networks of random weights carry on. */
const mostDifference = 5e-2;
/** The first rounds grow pools of memory. */
const warmUp = 2;

const path = (name) => new URL(`../${name}`, import.meta.url).pathname;

function describe(name, settings) {
  const file = `${settings.folder}/${name}.json`;
  writeFileSync(file, JSON.stringify(settings));
  return file;
}

export const openTorch = (python, name, settings) =>
  openChild(python, [path("peers/torch_side.py"), describe(name, settings)]);
const openOurs = (settings) => openChild(process.execPath, [path("ours.mjs"), describe("ours", settings)]);

async function openSides({ python, ...settings }) {
  return {
    ours: await openOurs(settings),
    torch: await openTorch(python, "torch", settings),
    ...(settings.what === "score" && { lean: await openTorch(python, "lean", { ...settings, what: "score-lean" }) }),
  };
}

async function check(sides, what) {
  const first = {};
  for (const name in sides) first[name] = await sides[name].ask("step");
  const compare = what === "train" ? compareUpdates : compareGates;
  const found = compare(await sides.ours.ask("results"), await sides.torch.ask("results"));
  const loss = Math.abs(first.ours.loss - first.torch.loss) / Math.abs(first.torch.loss);
  const text = `loss within ${loss.toExponential(1)}, ${found.what} within ${found.error.toExponential(1)} (${found.compared})`;
  if (!(loss < 1e-3 && found.error < mostDifference && found.compared > 0))
    throw new Error(`the sides do not compute the same: ${text}`);
  console.log(`  same: ${text}`);
  return { loss, ...found };
}

/** Measures one case; `settings` has its fields, `folder`, `threads`, `rounds` and `python`. */
export async function measureSides(settings) {
  const { what, batch, rounds } = settings;
  writeBatch(settings.folder, settings);
  const sides = await openSides(settings);
  try {
    const same = await check(sides, what);
    const names = Object.keys(sides);
    const times = Object.fromEntries(names.map((name) => [name, []]));
    for (let round = -warmUp; round < rounds; round++)
      for (const name of names) {
        const { ms } = await sides[name].ask("step");
        if (round >= 0) times[name].push(ms);
      }
    const each = async (of) => {
      const found = {};
      for (const name of names) found[name] = await of(name);
      return found;
    };
    const ms = await each((name) => median(times[name]));
    const memory = await each(async (name) => (await sides[name].ask("memory")).bytes);
    const goal = settings.target ? ` (aim ${settings.target})` : "";
    const lean = ms.lean ? `, ${(ms.lean / ms.ours).toFixed(2)}x of PyTorch without weight gradients` : "";
    const rate = (name) => (batch / ms[name]) * 1000;
    console.log(
      `  ${rate("ours").toFixed(1)} images/s, PyTorch ${rate("torch").toFixed(1)}: ${(ms.torch / ms.ours).toFixed(2)}x${goal}${lean}; memory ${(memory.ours / memory.torch).toFixed(2)}x`,
    );
    return {
      check: same,
      ms,
      spread: await each((name) => spread(times[name])),
      imagesPerSecond: await each(rate),
      ratio: ms.torch / ms.ours,
      ...(ms.lean && { leanRatio: ms.lean / ms.ours }),
      memory,
      memoryRatio: memory.ours / memory.torch,
      versions: { ...sides.ours.versions, ...sides.torch.versions },
    };
  } finally {
    for (const name in sides) await sides[name].close().catch(() => {});
  }
}
