/** The whole schedule of the paper's loop beside PyTorch with masks, removal interval by removal interval in turns. */

import { writeSamples } from "./batch.mjs";
import { compareImportances, overlap } from "./compare.mjs";
import { percent, seconds, times } from "./numbers.mjs";
import { openOurs, openTorch } from "./open.mjs";
import { closeAll, each, memoryOf } from "./turns.mjs";

/**
 * In the first interval both sides train the same network. Each step carries the rounding of the last one on and enlarges it, so that importances are
 * a few per cent apart after ten steps, as those of two runs of PyTorch are; units near the limit change places, and from the first removal on the networks are
 * not the same.
 */
const mostLoss = 1e-3;
/** Of the first minibatch: gates that are missing at one of their places make seven times as much. */
const mostDifference = 1e-2;
const leastOverlap = 0.7;
/** How strongly images show their class: learned within the schedule, not within its first interval. */
const pattern = 0.2;
const quickRemovals = 2;

async function check(sides, ours, torch) {
  const loss = Math.abs(ours.loss - torch.loss) / Math.abs(torch.loss);
  const found = compareImportances(await sides.ours.ask("results"), await sides.torch.ask("results"));
  const common = overlap(ours.removed, torch.removed);
  const text = `mean loss of the first interval within ${loss.toExponential(1)}, importances of the first minibatch within ${found.error.toExponential(1)} (${found.compared} groups), ${percent(common)} of the ${ours.removed.length} units removed first in common`;
  const same = loss < mostLoss && found.error < mostDifference && found.compared > 0 && common >= leastOverlap;
  if (!same || ours.removed.length !== torch.removed.length)
    throw new Error(`the sides do not compute the same: ${text}`);
  console.log(`  same: ${text}`);
  return { loss, ...found, overlap: common };
}

/** Goes through the schedule until our side has met its target; the other side removes as many units each time. */
async function goThrough(sides, most) {
  const removals = [];
  const removed = { ours: [], torch: [] };
  let same;
  let end;
  while (end === undefined && removals.length < most) {
    const ours = await sides.ours.ask("step");
    const torch = await sides.torch.ask("step", { remove: ours.removed.length });
    same ??= await check(sides, ours, torch);
    removed.ours.push(...ours.removed);
    removed.torch.push(...torch.removed);
    const common = overlap(removed.ours, removed.torch);
    ({ end } = ours);
    removals.push({
      units: ours.removed.length,
      macs: ours.macs,
      ms: { ours: ours.ms, torch: torch.ms },
      loss: { ours: ours.loss, torch: torch.loss },
      // Of all units removed so far.
      overlap: common,
    });
    console.log(
      `  ${removals.length}: ${ours.removed.length} units, ${percent(ours.macs)} of the multiply-accumulates left; ${seconds(ours.ms, 1)}, PyTorch ${seconds(torch.ms, 1)}; loss ${ours.loss.toFixed(4)}, PyTorch ${torch.loss.toFixed(4)}; ${percent(common)} of all removed in common`,
    );
  }
  return { same, end, removals };
}

const sum = (values) => values.reduce((a, b) => a + b, 0);
const total = (removals, side) => sum(removals.map(({ ms }) => ms[side]));
const ratioOf = (removals) => total(removals, "torch") / total(removals, "ours");

export async function measurePruning({ python, ...rest }) {
  const { folder, net, batch, batches, quick } = rest;
  const samples = { ...rest, samples: batches * batch };
  const files = writeSamples(folder, { ...samples, pattern });
  const settings = { ...samples, files, groups: `${folder}/${net}-groups.json` };
  const sides = { ours: await openOurs(settings) };
  try {
    // Our side has written the groups by now.
    sides.torch = await openTorch(python, "torch", settings);
    const { same, end, removals } = await goThrough(sides, quick ? quickRemovals : Infinity);
    const ms = await each(sides, (_, name) => total(removals, name));
    const memory = await memoryOf(sides);
    const [ratio, memoryRatio] = [ratioOf(removals), memory.ours / memory.torch];
    const quarter = Math.ceil(removals.length / 4);
    const quarters = { first: ratioOf(removals.slice(0, quarter)), last: ratioOf(removals.slice(-quarter)) };
    console.log(
      `  ${removals.length} removals in ${seconds(ms.ours, 0)}, PyTorch ${seconds(ms.torch, 0)}: ${times(ratio)}, in the first quarter ${times(quarters.first)}, in the last ${times(quarters.last)}; memory ${times(memoryRatio)}`,
    );
    const versions = { ...sides.ours.versions, ...sides.torch.versions };
    return { rounds: 1, check: same, end, ms, ratio, quarters, memory, memoryRatio, removals, versions };
  } finally {
    await closeAll(sides);
  }
}
