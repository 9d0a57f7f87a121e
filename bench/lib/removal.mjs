/** What a removal takes of the interval that it ends. */

import { writeSamples } from "./batch.mjs";
import { median, percent, seconds, spread } from "./numbers.mjs";
import { openOurs } from "./open.mjs";

/** Minibatches between two removals in the paper: on CIFAR-10, and on ImageNet. */
const intervals = [10, 30];

export async function measureRemoval({ rounds, ...settings }) {
  const { folder, batch } = settings;
  const samples = { ...settings, samples: batch, removals: rounds };
  const side = await openOurs({ ...samples, files: writeSamples(folder, samples) });
  try {
    const { stepMs, removals } = await side.ask("step");
    const medianOf = (part) => median(removals.map((removal) => removal[part]));
    const parts = Object.fromEntries(
      ["whole", "choose", "write", "load", "start"].map((part) => [part, medianOf(part)]),
    );
    const shares = Object.fromEntries(intervals.map((count) => [count, parts.whole / (parts.whole + count * stepMs)]));
    const told = intervals.map((count) => `${percent(shares[count])} of an interval of ${count} minibatches`);
    console.log(`  ${seconds(parts.whole)} beside steps of ${seconds(stepMs)}: ${told.join(", ")}`);
    return {
      ms: { step: stepMs, ...parts },
      spread: spread(removals.map(({ whole }) => whole)),
      shares,
      versions: side.versions,
    };
  } finally {
    await side.close();
  }
}
