/** How long it takes to find what can be removed from a network. */

import { openOurs } from "./open.mjs";
import { median, spread } from "./numbers.mjs";

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
      `  ${(ms / 1000).toFixed(2)} s (aim ${target} s), the first ${(times[0] / 1000).toFixed(2)} s; ${counts.nodes} nodes, ${counts.groups} groups, ${counts.units} units; ${(bytes / 2 ** 30).toFixed(2)} GiB`,
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
