/** How long it takes to find what can be removed from a network. */

import { openOurs } from "./open.mjs";
import { gigabytes, median, seconds, spread } from "./numbers.mjs";

export async function measureAnalysis(settings) {
  const { rounds, target } = settings;
  const side = await openOurs(settings);
  try {
    const times = [];
    let counts;
    for (let round = 0; round < rounds; round++) {
      const { ms, ...found } = await side.ask("step");
      times.push(ms);
      counts = found;
    }
    const { bytes } = await side.ask("memory");
    const ms = median(times);
    console.log(
      `  ${seconds(ms)} (aim ${target} s), the first ${seconds(times[0])}; ${counts.nodes} nodes, ${counts.groups} groups, ${counts.units} units; memory ${gigabytes(bytes)}`,
    );
    const versions = side.versions;
    return {
      ms: { ours: ms, first: times[0] },
      spread: { ours: spread(times) },
      ...counts,
      memory: { ours: bytes },
      versions,
    };
  } finally {
    await side.close();
  }
}
