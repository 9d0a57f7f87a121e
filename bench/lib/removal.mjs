/** What a removal takes of the interval that it ends. */

import { writeSamples } from "./batch.mjs";
import { median, percent, seconds, spread } from "./numbers.mjs";
import { openOurs } from "./open.mjs";

/** Minibatches between two removals in the paper, on CIFAR-10; on ImageNet there are 30. */
const interval = 10;
/** Graphs are not written after every removal. */
const least = 9;

export async function measureRemoval({ rounds, ...settings }) {
  const { folder, batch } = settings;
  const samples = { ...settings, samples: batch, removals: Math.max(rounds, least), interval };
  const side = await openOurs({ ...samples, files: writeSamples(folder, samples) });
  try {
    const { stepMs, removals, idleSteps, perMac } = await side.ask("step");
    const [written, kept] = [true, false].map((which) => removals.filter((one) => one.written === which));
    const of = (some, part) => (some.length === 0 ? 0 : median(some.map((one) => one[part])));
    const parts = Object.fromEntries(
      ["whole", "choose", "write", "load", "start"].map((part) => [part, of(written, part)]),
    );
    const idle = idleSteps * perMac * stepMs;
    const each = (of(written, "whole") * written.length + of(kept, "whole") * kept.length) / removals.length + idle;
    const share = each / (each + interval * stepMs);
    console.log(
      `  ${seconds(each)} beside steps of ${seconds(stepMs)}: ${percent(share)} of an interval of ${interval} minibatches`,
    );
    return {
      ms: { step: stepMs, ...parts, kept: of(kept, "whole"), idle, each },
      counts: { removals: removals.length, written: written.length },
      spread: spread(written.map(({ whole }) => whole)),
      perMac,
      share,
      versions: side.versions,
    };
  } finally {
    await side.close();
  }
}
