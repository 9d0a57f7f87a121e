/** Proofs that fail end no work: the model is there, and says what it is. */

import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/graph/tensor.ts";
import { cut, newModel, plan, prune, type Model, type PruneEvent } from "../../src/node.ts";
import { prepare } from "../../src/graphs-node.ts";
import { cutAndProve } from "../../src/jobs/cut.ts";
import { endOf } from "../../src/jobs/prune.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { Runtime } from "../../src/runtime/port.ts";
import { randomDataset } from "../support/datasets.ts";

const model: Model = newModel("lenet5", { classes: 10, seed: 1 });
const data = randomDataset(prepare(model), { samples: 32, labels: 10 });

/** A runtime that computes masked models wrongly, or not at all. */
const spoiled = (how: "wrong" | "refused"): Runtime => ({
  ...directRuntime,
  async load(given, options) {
    const bytes = given instanceof Uint8Array ? given : given.bytes;
    const session = await directRuntime.load(given, options);
    if (!Buffer.from(bytes).includes("_mask")) return session;
    return {
      ...session,
      async run(...feeds) {
        if (how === "refused") return directRuntime.load(new Uint8Array()).then(() => ({}));
        const results = Object.entries(await session.run(...feeds));
        const other = (value: Tensor): Tensor => ({ ...value, data: (value.data as Float32Array).map((x) => x + 1) });
        return Object.fromEntries(results.map(([name, value]) => [name, other(value)]));
      },
    };
  },
});
const cases = [
  ["wrong", /^the cut model does not compute what the masked one does: they differ first at /],
  ["refused", /^the proof could not be run: onnxruntime does not load the model/],
] as const;

describe.each(cases)("a proof that is %s", (how, message) => {
  const runtime = spoiled(how);

  it("ends a cut with an error, and the command has the model all the same", async () => {
    const { removal } = await plan(model, { ratio: 0.5 });
    await expect(cut(model, removal, { runtime })).rejects.toThrow(message);
    const { failure, model: small, proof } = await cutAndProve(model, removal, { runtime });
    expect(failure!.message).toMatch(message);
    expect(failure!.message).toMatch(how === "wrong" ? /Please report/ : /cut without it by `prove: false`/);
    expect(proof).toBeUndefined();
    expect(small.graph.initializers.size).toBe(model.graph.initializers.size);
  });

  it("does not end a pruning: it is told at once, and the model bears it", async () => {
    const events: PruneEvent[] = [];
    const quick = { data, batchSize: 16, threads: 1, epochs: 1, every: 1, unitsPerStep: 40, runtime };
    const outcome = await prune(model, { ...quick, budget: { units: 0.7 }, onEvent: (event) => events.push(event) });
    expect(outcome.unproved).toMatch(message);
    expect(outcome.model.metadata["secateur.unproved"]).toBe(outcome.unproved);
    const kinds = events.map(({ kind }) => kind);
    expect(kinds.indexOf("unproved")).toBeLessThan(kinds.lastIndexOf("step"));
    // What was removed can be proved later.
    const { after, proof } = await cut(model, outcome.removal);
    expect(after.params).toBe(outcome.after.costs.params);
    expect(proof!.mismatch).toBeUndefined();
    const trusting = await prune(model, { ...quick, budget: { units: 0.7 }, prove: false });
    expect([trusting.proof, trusting.unproved]).toEqual([undefined, undefined]);
    expect(trusting.model.metadata).toEqual(model.metadata);
  });
});

describe("a budget", () => {
  const state = { costs: { macs: 60, params: 10, bytes: 40 }, units: 5, groups: [] };
  it.each([
    ["met", { macs: 60 }, "met"],
    ["met", { macs: 59 }, "missed"],
    ["met", { units: 4 }, "missed"],
    ["exhausted", { macs: 59 }, "exhausted"],
  ] as const)("that pruning found %s is, of %j, %s by what is written", (end, target, is) => {
    expect(endOf(end, target, state)).toBe(is);
  });
});
