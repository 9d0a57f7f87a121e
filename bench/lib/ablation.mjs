/** What single things give that make training faster or smaller, each measured with and without. */

import { writeSamples } from "./batch.mjs";
import { compareUpdates } from "./compare.mjs";
import { openOurs } from "./open.mjs";
import { times } from "./numbers.mjs";
import { closeAll, inTurns } from "./turns.mjs";

/** What can be left out from outside; what rules write was measured by hand, and stands in docs/engineering-log.md. */
const tricks = {
  blocks: "convolutions with computed kernels in blocks of channels",
  pattern: "no memory pattern in the runtime's sessions",
  optimiser: "no optimiser of the runtime",
  workers: "the minibatch split over workers, one thread each",
};

/** Sums are taken in another order, and with workers statistics are those of parts: that one is compared with nothing. */
const mostDifference = 5e-2;

export async function measureAblation(settings) {
  const { folder, batch, rounds, threads } = settings;
  const samples = { ...settings, samples: batch, files: writeSamples(folder, { ...settings, samples: batch }) };
  const rows = [];
  let versions;
  for (const [off, trick] of Object.entries(tricks)) {
    if (off === "workers" && threads === 1) continue;
    const own = { ...samples, workers: off === "workers" ? threads : 1 };
    const sides = { with: await openOurs(own), without: await openOurs({ ...own, off }) };
    try {
      for (const name in sides) await sides[name].ask("step");
      const { error } = compareUpdates(await sides.with.ask("results"), await sides.without.ask("results"));
      if (off !== "workers" && !(error < mostDifference))
        throw new Error(`without ${trick} the updates differ by ${error.toExponential(1)}`);
      const { ms, spread, memory } = await inTurns(sides, rounds);
      console.log(
        `  ${trick}: ${ms.with.toFixed(0)} ms, without ${ms.without.toFixed(0)} (${times(ms.without / ms.with)}); memory without ${times(memory.without / memory.with)}`,
      );
      rows.push({ trick, error, ms, spread, memory });
      ({ versions } = sides.with);
    } finally {
      await closeAll(sides);
    }
  }
  return { rows, versions };
}
