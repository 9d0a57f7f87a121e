/** What the flags of learning are read into. */

import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { learnOptions, withLearning, type LearnFlags } from "../../src/cli/options/learning.ts";
import { defaultAdamw, defaultSgd } from "../../src/options/learning.ts";

function parse(...flags: string[]) {
  const command = withLearning(new Command(), 5)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  command.parse(flags, { from: "user" });
  return learnOptions(command.opts<LearnFlags>());
}

describe("the flags of learning", () => {
  it("are SGD along a cosine unless they say otherwise", () =>
    expect(parse()).toMatchObject({
      optimiser: undefined,
      clip: undefined,
      labelSmoothing: 0,
      mixup: undefined,
      ema: undefined,
      rateSchedule: "cosine",
      minRate: 0,
      milestones: undefined,
    }));

  it("name an optimiser, which has its own decay", () => {
    expect(parse("--optimiser", "adamw").optimiser).toEqual({ kind: "adamw" });
    expect(parse("--optimiser", "adamw", "--weight-decay", "0").optimiser).toEqual({ kind: "adamw", weightDecay: 0 });
    expect(parse("--momentum", "0.5").optimiser).toEqual({ kind: "sgd", momentum: 0.5 });
  });

  it("leave to the library what it decays by", () =>
    expect([defaultSgd.weightDecay, defaultAdamw.weightDecay]).toEqual([5e-4, 1e-2]));

  it("name a schedule", () =>
    expect(parse("--rate-schedule", "step", "--milestones", "0.3,0.6", "--min-learning-rate", "0.001")).toMatchObject({
      rateSchedule: "step",
      milestones: [0.3, 0.6],
      minRate: 0.001,
    }));

  it("say what is done to gradients, labels, samples and weights", () =>
    expect(parse("--clip", "1", "--label-smoothing", "0.1", "--mixup", "0.2", "--ema", "0.999")).toMatchObject({
      clip: 1,
      labelSmoothing: 0.1,
      mixup: 0.2,
      ema: 0.999,
    }));

  it("say what the process should stay below", () => {
    expect(parse().memory).toBeUndefined();
    expect(parse("--memory", "1.5GB").memory).toBe(1.5 * 2 ** 30);
  });

  it.each([
    ["--memory", "much"],
    ["--optimiser", "lion"],
    ["--rate-schedule", "exponential"],
    ["--clip", "0"],
    ["--label-smoothing", "1.1"],
    ["--mixup", "0"],
    ["--ema", "1"],
  ])("refuse %s %s", (flag, value) => expect(() => parse(flag, value)).toThrow(flag));
});
