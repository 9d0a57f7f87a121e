/** Scoring and training beside PyTorch. */

import { writeSamples } from "./batch.mjs";
import { compareGates, compareUpdates } from "./compare.mjs";
import { rate, times } from "./numbers.mjs";
import { openOurs, openTorch } from "./open.mjs";
import { closeAll, each, inTurns } from "./turns.mjs";

/** Rounding in float32 turns the choices of some Relus, which deep networks of random weights carry on. */
const mostDifference = 5e-2;

async function openSides({ python, ...settings }) {
  return {
    ours: await openOurs(settings),
    torch: await openTorch(python, "torch", settings),
    ...(settings.what === "score" && { lean: await openTorch(python, "lean", { ...settings, what: "score-lean" }) }),
  };
}

async function check(sides, { what, workers }) {
  const first = {};
  // Statistics are those of parts where the minibatch is split: the peer's are, too, in the step that is compared.
  const split = what === "train" && workers > 1 ? { parts: workers } : {};
  for (const name in sides) first[name] = await sides[name].ask("step", name === "ours" ? {} : split);
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
  const { batch, rounds } = settings;
  const samples = { ...settings, samples: batch };
  const sides = await openSides({ ...samples, files: writeSamples(settings.folder, samples) });
  try {
    const same = await check(sides, settings);
    const { ms, spread, memory } = await inTurns(sides, rounds);
    const goal = settings.target ? ` (aim ${settings.target})` : "";
    const lean = ms.lean ? `, ${times(ms.lean / ms.ours)} of PyTorch without weight gradients` : "";
    const imagesPerSecond = await each(sides, (_, name) => (batch / ms[name]) * 1000);
    console.log(
      `  ${rate(imagesPerSecond.ours)} images/s, PyTorch ${rate(imagesPerSecond.torch)}: ${times(ms.torch / ms.ours)}${goal}${lean}; memory ${times(memory.ours / memory.torch)}`,
    );
    return {
      check: same,
      ms,
      spread,
      imagesPerSecond,
      ratio: ms.torch / ms.ours,
      ...(ms.lean && { leanRatio: ms.lean / ms.ours }),
      memory,
      memoryRatio: memory.ours / memory.torch,
      versions: { ...sides.ours.versions, ...sides.torch.versions },
    };
  } finally {
    await closeAll(sides);
  }
}
