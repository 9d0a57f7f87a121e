/** What the line says while epochs run. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { reportEpochs } from "../../src/cli/commands/train.ts";

type Step = Parameters<ReturnType<typeof reportEpochs>>[0];

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

/** The last line after so many steps of a second each, of 1000. */
function lineAfter(count: number, from: number): string {
  let line = "";
  const progress = { update: (text: string) => void (line = text), done: (text = "") => void (line = text) };
  const report = reportEpochs({ ...progress, [Symbol.dispose]: () => undefined } as never, 16);
  for (let step = from + 1; step <= from + count; step++) {
    vi.advanceTimersByTime(1000);
    const epoch = Math.ceil(step / 500);
    report({ kind: "step", step, steps: 1000, epoch, epochs: 2, loss: 1, learningRate: 0.1 } as Step);
  }
  return line;
}

it("how long is left follows from the steps of this run", () => {
  expect(lineAfter(400, 0)).toBe("epoch 1 of 2: loss 1.0000, learning rate 0.100, 16 images/s, 10 min left");
});

it("those of a run that goes on are no steps of this one", () => {
  expect(lineAfter(40, 900)).toBe("epoch 2 of 2: loss 1.0000, learning rate 0.100, 16 images/s, 60 s left");
});

it("nothing is said of how fast it is before there is a step to tell", () => {
  expect(lineAfter(1, 0)).toBe("epoch 1 of 2: loss 1.0000, learning rate 0.100");
  expect(lineAfter(2, 0)).toContain("16 images/s, 17 min left");
});
