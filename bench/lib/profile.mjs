/** Where the time of passes and steps goes, and what their arithmetic alone would take. */

import { writeSamples } from "./batch.mjs";
import { openOurs } from "./open.mjs";
import { percent } from "./numbers.mjs";

export async function measureProfile({ runs, ...settings }) {
  const { folder, batch, rounds, threads } = settings;
  const samples = { ...settings, samples: batch, files: writeSamples(folder, { ...settings, samples: batch }) };
  const rows = [];
  let versions;
  for (const run of runs) {
    const side = await openOurs({ ...samples, ...run });
    try {
      const { operators, whole, flop, rate } = await side.ask("step");
      rows.push({ ...run, operators, ms: whole, flop, rate });
      console.log(`  ${nameOf(run)}: ${whole.toFixed(0)} ms; arithmetic alone ${percent(flop / rate / whole)} of it`);
      ({ versions } = side);
    } finally {
      await side.close();
    }
  }
  return { threads, rounds, rows, versions };
}

const names = { score: "scoring", train: "training" };

export const nameOf = ({ of, half }) => `${names[of]}${half ? ", at half its MACs" : ""}`;
