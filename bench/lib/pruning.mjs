/** The whole schedule of the paper's loop beside PyTorch with masks, removal interval by removal interval in turns. */

import { writeSamples } from "./batch.mjs";
import { overlap } from "./compare.mjs";
import { openOurs, openTorch } from "./open.mjs";
import { closeAll, each, memoryOf } from "./turns.mjs";

/** After ten steps of learning; later, losses and choices part as rounding grows, and with the choices the networks. */
/** How strongly images show their class: learned within the schedule, not within its first interval. */
const pattern = 0.2;
const mostLoss = 1e-2;
const leastOverlap = 0.8;

const sum = (values) => values.reduce((a, b) => a + b, 0);
const apart = (ours, theirs) => Math.abs(ours - theirs) / Math.abs(theirs);

function check({ ours, torch }) {
  const found = { loss: apart(ours.loss, torch.loss), overlap: overlap(ours.removed, torch.removed) };
  const text = `mean loss of the first ${ours.every} steps within ${found.loss.toExponential(1)}, ${(100 * found.overlap).toFixed(1)} % of the ${ours.removed.length} units removed first`;
  if (!(found.loss < mostLoss && found.overlap >= leastOverlap && ours.removed.length === torch.removed.length))
    throw new Error(`the sides do not compute the same: ${text}`);
  console.log(`  same: ${text}`);
  return found;
}

export async function measurePruning({ python, ...rest }) {
  const { folder, net, batch, every, quick } = rest;
  const most = quick ? 2 : Infinity;
  const samples = rest.batches * batch;
  const files = writeSamples(folder, { ...rest, samples, pattern });
  const settings = { ...rest, samples, files, groups: `${folder}/${net}-groups.json` };
  const sides = { ours: await openOurs(settings), torch: await openTorch(python, "torch", settings) };
  try {
    const removals = [];
    const all = await each(sides, () => []);
    let same;
    let end;
    while (end === undefined && removals.length < most) {
      const ours = await sides.ours.ask("step");
      const torch = await sides.torch.ask("step", { remove: ours.removed.length });
      same ??= check({ ours: { ...ours, every }, torch });
      all.ours.push(...ours.removed);
      all.torch.push(...torch.removed);
      ({ end } = ours);
      const one = {
        units: ours.removed.length,
        macs: ours.macs,
        ms: { ours: ours.ms, torch: torch.ms },
        loss: { ours: ours.loss, torch: torch.loss },
        /** Of all units removed so far. */
        overlap: overlap(all.ours, all.torch),
      };
      removals.push(one);
      console.log(
        `  ${removals.length}: ${one.units} units, ${(100 * one.macs).toFixed(1)} % of the multiply-accumulates left; ${(ours.ms / 1000).toFixed(1)} s, PyTorch ${(torch.ms / 1000).toFixed(1)} s; loss ${ours.loss.toFixed(4)}, PyTorch ${torch.loss.toFixed(4)}; ${(100 * one.overlap).toFixed(0)} % of all removed in common`,
      );
    }
    const ms = await each(sides, (_, name) => sum(removals.map((one) => one.ms[name])));
    const memory = await memoryOf(sides);
    const [ratio, memoryRatio] = [ms.torch / ms.ours, memory.ours / memory.torch];
    console.log(
      `  ${removals.length} removals in ${(ms.ours / 1000).toFixed(0)} s, PyTorch ${(ms.torch / 1000).toFixed(0)} s: ${ratio.toFixed(2)}x; memory ${memoryRatio.toFixed(2)}x`,
    );
    const versions = { ...sides.ours.versions, ...sides.torch.versions };
    return { check: same, end, ms, ratio, memory, memoryRatio, removals, versions };
  } finally {
    await closeAll(sides);
  }
}
