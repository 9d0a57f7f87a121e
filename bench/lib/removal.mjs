/** What a removal takes of the interval that it ends. */

import { writeSamples } from "./batch.mjs";
import { median, percent, seconds, spread } from "./numbers.mjs";
import { openOurs } from "./open.mjs";

/** Minibatches between two removals in the paper, on CIFAR-10; on ImageNet there are 30. */
const interval = 10;
/** So few tell little. */
const least = 9;

export async function measureRemoval({ rounds, ...settings }) {
  const { folder, batch } = settings;
  const samples = { ...settings, samples: batch, removals: Math.max(rounds, least) };
  const side = await openOurs({ ...samples, files: writeSamples(folder, samples) });
  try {
    const { stepMs, removals } = await side.ask("step");
    const parts = ["whole", "choose", "write", "load", "start"];
    const of = Object.fromEntries(parts.map((part) => [part, median(removals.map((one) => one[part]))]));
    const share = of.whole / (of.whole + interval * stepMs);
    console.log(
      `  ${seconds(of.whole)} beside steps of ${seconds(stepMs)}: ${percent(share)} of an interval of ${interval} minibatches`,
    );
    return {
      ms: { step: stepMs, ...of },
      counts: { removals: removals.length },
      spread: spread(removals.map(({ whole }) => whole)),
      share,
      versions: side.versions,
    };
  } finally {
    await side.close();
  }
}
