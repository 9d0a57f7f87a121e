/** Means of what machines have learned, and the outer step, against numbers worked out by hand. */

import { describe, expect, it } from "vitest";
import { float32, type Tensor } from "../../src/graph/tensor.ts";
import { meanTensor, meanTensors, outerStep } from "../../src/train/averaging.ts";

const of = (...values: number[]): Tensor => float32([values.length], Float32Array.from(values));
const numbers = ({ data }: Tensor): number[] => Array.from(data as Float32Array);

describe("means", () => {
  it("count by samples", () => {
    const mean = meanTensor([
      { value: of(1, 8), samples: 3 },
      { value: of(5, 0), samples: 1 },
    ]);
    expect(numbers(mean)).toEqual([2, 6]);
    expect(mean).toMatchObject({ dtype: "float32", shape: [2] });
  });

  it("of one are that one, bit for bit", () => {
    const only = of(0.1, 1e-45, -0, NaN);
    expect(meanTensor([{ value: only, samples: 3 }])).toBe(only);
  });

  it("do not lose small numbers beside large ones", () => {
    // In float32 1e8 + 1 is 1e8.
    const [mean] = numbers(meanTensor([of(1e8), of(1), of(-1e8)].map((value) => ({ value, samples: 1 }))));
    expect(mean).toBeCloseTo(1 / 3, 6);
  });

  it("go by name", () => {
    const means = meanTensors([
      { value: new Map(Object.entries({ a: of(1), b: of(2) })), samples: 1 },
      { value: new Map(Object.entries({ b: of(4), a: of(3) })), samples: 1 },
    ]);
    expect([...means].map(([name, value]) => [name, ...numbers(value)])).toEqual([
      ["a", 2],
      ["b", 3],
    ]);
  });
});

describe("the outer step", () => {
  it("is the mean itself at a rate of 1 without momentum", () => {
    const mean = of(0.1, 0.7);
    expect(outerStep(of(1, 2), mean, undefined, {})).toEqual({ weight: mean, velocity: undefined });
  });

  it("goes past the mean with Nesterov's momentum", () => {
    // Δ = 4; v = 4; w = 10 - 0.5 (4 + 0.5 · 4) = 7
    const first = outerStep(of(10), of(6), undefined, { outerRate: 0.5, outerMomentum: 0.5 });
    expect(numbers(first.weight)).toEqual([7]);
    expect(numbers(first.velocity!)).toEqual([4]);
    // Δ = 2; v = 0.5 · 4 + 2 = 4; w = 7 - 0.5 (2 + 0.5 · 4) = 5
    const second = outerStep(first.weight, of(5), first.velocity, { outerRate: 0.5, outerMomentum: 0.5 });
    expect(numbers(second.weight)).toEqual([5]);
    expect(numbers(second.velocity!)).toEqual([4]);
  });

  it("goes a part of the way without momentum, and keeps nothing", () => {
    const { weight, velocity } = outerStep(of(10), of(6), undefined, { outerRate: 0.25 });
    expect(numbers(weight)).toEqual([9]);
    expect(velocity).toBeUndefined();
  });
});
