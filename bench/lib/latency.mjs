/** What a network at half its multiply-accumulates takes of its time. */

import { openOurs } from "./open.mjs";
import { gigabytes, median, percent, spread } from "./numbers.mjs";

const roundings = [1, 8, 16];
const warmUp = 2;

export async function measureLatency({ rounds, ...settings }) {
  const side = await openOurs({ ...settings, roundings });
  try {
    const times = [[], ...roundings.map(() => [])];
    let shares;
    for (let round = -warmUp; round < rounds * 3; round++) {
      const { each, macs } = await side.ask("step");
      if (round >= 0) each.forEach((ms, i) => times[i].push(ms));
      shares = macs;
    }
    const { bytes } = await side.ask("memory");
    const [whole, ...others] = times.map(median);
    const rows = roundings.map((roundTo, i) => {
      const [ms, macs] = [others[i], shares[i + 1]];
      console.log(
        `  --round-to ${roundTo}: ${percent(macs)} of the multiply-accumulates, ${percent(ms / whole)} of the time (${ms.toFixed(2)} of ${whole.toFixed(2)} ms)`,
      );
      return { roundTo, macs, ms, latency: ms / whole, spread: spread(times[i + 1]) };
    });
    console.log(`  memory ${gigabytes(bytes)}`);
    const versions = side.versions;
    return { ms: { whole }, spread: { whole: spread(times[0]) }, rows, memory: { ours: bytes }, versions };
  } finally {
    await side.close();
  }
}
