/** The last step to a goal is as short as halving finds it. */

import { describe, expect, it } from "vitest";
import { bisect } from "../../src/loop/bisect.ts";

/** Units that go, and the share of the goal that is left when they have. */
const search = async (count: number, shareAfter: (units: number) => number) => {
  const tried: number[] = [];
  const attemptOf = (units: number) => ({ result: units, share: shareAfter(units) });
  const found = await bisect(count, attemptOf(count), async (units) => {
    tried.push(units);
    const attempt = attemptOf(units);
    return attempt.share > 1 ? undefined : attempt;
  });
  return { found, tried };
};

describe("fewest", () => {
  it("halves until the goal is reached nearly, and never misses it", async () => {
    const { found, tried } = await search(600, (units) => 1.2 - units / 1000);
    expect(tried).toEqual([300, 150, 225]);
    expect(found).toBe(225);
  });

  it("takes what is near at once", async () => {
    expect(await search(600, () => 0.98)).toEqual({ found: 600, tried: [] });
  });

  it("keeps the step before where the goal lies in a leap", async () => {
    const { found, tried } = await search(64, (units) => (units < 40 ? 1.3 : 0.6));
    expect(found).toBe(40);
    expect(tried).toHaveLength(6);
  });
});
