/** Sides that take turns, so that what the machine does meanwhile meets all of them. */

import { median, spread } from "./numbers.mjs";

/** The first rounds grow pools of memory. */
const warmUp = 2;

/** What `of` gives for each side, one after the other. */
export async function each(sides, of) {
  const found = {};
  for (const name in sides) found[name] = await of(sides[name], name);
  return found;
}

export const memoryOf = (sides) => each(sides, async (side) => (await side.ask("memory")).bytes);

/** Lets each side step once a round: the medians and spreads of their times, and the memory of each in the end. */
export async function inTurns(sides, rounds) {
  const times = await each(sides, () => []);
  for (let round = -warmUp; round < rounds; round++)
    for (const name in sides) {
      const { ms } = await sides[name].ask("step");
      if (round >= 0) times[name].push(ms);
    }
  return {
    ms: await each(sides, (_, name) => median(times[name])),
    spread: await each(sides, (_, name) => spread(times[name])),
    memory: await memoryOf(sides),
  };
}

export async function closeAll(sides) {
  // One that failed has said why where it failed.
  for (const name in sides) await sides[name].close().catch(() => {});
}
