/** Budgets as they are typed: what they are read as, and what is asked about. */

import { InvalidArgumentError } from "commander";
import { describe, expect, it } from "vitest";
import { budgetOf, latencyOf } from "../../src/cli/budgets.ts";
import { inFlags } from "../../src/cli/flags.ts";
import { option } from "../../src/graph/error.ts";
import { formOf } from "../../src/cli/forms.ts";
import { Option } from "commander";

const asked = (parse: (text: string) => unknown, text: string): string => {
  try {
    parse(text);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidArgumentError);
    return (error as Error).message;
  }
  return "nothing";
};

describe("a budget", () => {
  it.each([
    ["macs", "0.5", 0.5],
    ["macs", ".25", 0.25],
    ["macs", "1e-1", 0.1],
    ["macs", "50%", 0.5],
    ["macs", "2.5 %", 0.025],
    ["macs", "50M", 50e6],
    ["macs", "1.2G", 1.2e9],
    ["macs", "1.2 Gmacs", 1.2e9],
    ["macs", "50macs", 50],
    ["macs", "20000000", 20e6],
    ["macs", "2e7", 2e7],
    ["macs", "100", 100],
    ["params", "300k", 300e3],
    ["params", "64params", 64],
    ["bytes", "8MB", 8e6],
    ["bytes", "50B", 50],
    ["bytes", "1500", 1500],
    ["units", "50units", 50],
    ["units", "200", 200],
  ] as const)("--%s %s is %f", (key, text, value) => expect(budgetOf(key)(text)).toBeCloseTo(value, 9));

  it.each([
    [
      "macs",
      "2",
      "Did you mean 2 % (--macs 0.02), 2 times fewer (--macs 0.5) or 2 multiply-accumulates (--macs 2macs)?",
    ],
    ["macs", "50", "Did you mean 50 % (--macs 0.5) or 50 multiply-accumulates (--macs 50macs)?"],
    ["macs", "3.5", "Did you mean 3.5 % (--macs 0.035) or 3.5 times fewer (--macs 0.286)?"],
    ["params", "25", "Did you mean 25 % (--params 0.25) or 25 parameters (--params 25params)?"],
    ["bytes", "4", "Did you mean 4 % (--bytes 0.04), 4 times fewer (--bytes 0.25) or 4 bytes (--bytes 4B)?"],
    ["units", "50", "Did you mean 50 % (--units 0.5) or 50 units (--units 50units)?"],
  ] as const)("--%s %s is asked about, with what to type", (key, text, question) => {
    expect(asked(budgetOf(key), text)).toBe(question);
    for (const [, typed] of question.matchAll(/\(--\w+ (\S+)\)/g)) expect(budgetOf(key)(typed!)).toBeGreaterThan(0);
  });

  it.each([
    ["0", "It must be above 0."],
    ["1", "With 1 all stays"],
    ["100%", "below 100 %"],
    ["0%", "above 0 %"],
    ["-1", "It must look like 0.5, 50%, 50M or 300macs."],
    ["5units", "It must look like"],
    ["M", "It must look like"],
    ["1macs", "A number of multiply-accumulates is above 1."],
    ["", "It must look like"],
  ])("%s is refused", (text, message) => expect(asked(budgetOf("macs"), text)).toContain(message));
});

describe("a latency", () => {
  it.each([
    ["0.5", 0.5],
    ["50%", 0.5],
    ["3ms", { milliseconds: 3 }],
    ["0.5 ms", { milliseconds: 0.5 }],
    ["800us", { milliseconds: 0.8 }],
    ["2s", { milliseconds: 2000 }],
    ["250", { milliseconds: 250 }],
  ])("of %s", (text, value) => expect(latencyOf(text)).toEqual(value));

  it.each([
    ["5", "Did you mean 5 % (--latency 0.05), 5 times less (--latency 0.2) or 5 ms (--latency 5ms)?"],
    ["50", "Did you mean 50 % (--latency 0.5) or 50 ms (--latency 50ms)?"],
    ["0ms", "It must be above 0."],
    ["fast", "It must look like 0.5, 50%, 3ms or 800us."],
  ])("of %s is asked about, or refused", (text, message) => expect(asked(latencyOf, text)).toBe(message));
});

it("a configuration may hold them as numbers and as texts", () => {
  const form = formOf(new Option("--macs <budget>").argParser(budgetOf("macs"))) as {
    anyOf: { type: string; pattern?: string }[];
  };
  expect(form.anyOf.map(({ type }) => type)).toEqual(["number", "string"]);
  const pattern = new RegExp(form.anyOf[1]!.pattern!);
  for (const text of ["50%", "50M", "1.2Gmacs", "50macs"]) expect(text).toMatch(pattern);
  expect("-5").not.toMatch(pattern);
});

it("what the library says of options is said in flags", () => {
  const { macs, ...others } = {
    macs: [option("budget.macs"), "--macs"],
    value: [option("roundTo", 16), "--round-to 16"],
    word: [option("targets", "sampled"), "--targets sampled"],
    several: [option("limits.keep", ["a*", "b"]), "--keep a* --keep b"],
    switched: [option("prove", false), "--no-prove"],
    other: [option("minRate", 0.1), "--min-learning-rate 0.1"],
    within: [option("optimiser.kind"), "--optimiser"],
    sizes: [option("shapes", { x: ["N", 3], "y:0": [1] }), "--shape x=Nx3 --shape y:0=1"],
    call: ["`f(x)`", "`f(x)`"],
  };
  expect(inFlags(`${macs[0]} is met`)).toBe(`${macs[1]} is met`);
  for (const [text, flags] of Object.values(others)) expect(inFlags(text!)).toBe(flags);
});
