/** The learning rates of several machines: found by a trial and multiplied once, or kept as they were given. */

import { describe, expect, it } from "vitest";
import type { Checkpoints } from "../../src/jobs/checkpoints.ts";
import type { PruneJobOptions } from "../../src/jobs/prune-options.ts";
import { finetune, prune, type FinetuneOptions } from "../../src/node.ts";
import type { Model } from "../../src/graph/graph.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { joinBytes } from "../../src/graph/join-bytes.ts";
import { laws } from "../support/laws.ts";
import { data, model } from "../queue/support.ts";

const common = { data, batchSize: 4, threads: 1, seed: 7, labelsAreRight: true } as const;
const pruning = { ...common, budget: { macs: 0.7 }, every: 6, unitsPerStep: 4, epochs: 1, averageEvery: 2 } as const;
const bytesOf = (found: Model): string => Buffer.from(encodeModel(found)).toString("base64");

interface Told {
  readonly kind: string;
  readonly phase?: string;
  readonly learningRate?: number;
  readonly times?: number;
}

/** What a job tells of rates, and what it comes to. */
async function ratesOf(machines: number, more: Partial<PruneJobOptions> = {}) {
  const [notes, events]: [string[], Told[]] = [[], []];
  const onNote = (text: string) => void notes.push(text);
  const onEvent = (event: Told) => void events.push(event);
  const { model: small } = await prune(model, { ...pruning, machines, onNote, onEvent, ...more });
  const rates = events.filter(({ kind }) => kind === "rate");
  const used = new Map(events.filter(({ kind }) => kind === "step").map((one) => [one.phase!, one.learningRate!]));
  return { notes: notes.filter((text) => text.includes("machines")), rates, used, bytes: bytesOf(small) };
}
const said = "learning rates that are found are taken times";

describe("rates of several machines", () => {
  it("are those of one times the square root of their number, once each, and one line says so", laws, async () => {
    const [one, four] = [await ratesOf(1), await ratesOf(4)];
    expect(one.notes).toEqual([]);
    expect(one.rates.map(({ times }) => times)).toEqual([undefined, undefined]);
    expect(four.notes).toEqual([`4 machines: ${said} 2, as each machine makes one step where one alone makes 4`]);
    expect(four.rates).toMatchObject([
      { phase: "prune", times: 2, learningRate: 2 * one.rates[0]!.learningRate! },
      { phase: "finetune", times: 2 },
    ]);
    expect(four.used.get("prune")).toBe(four.rates[0]!.learningRate);
    const two = await ratesOf(2, { epochs: 0 });
    expect(two.notes[0]).toContain(`2 machines: ${said} 1.41,`);
    expect(two.rates[0]!.learningRate).toBeCloseTo(Math.SQRT2 * one.rates[0]!.learningRate!, 4);
  });

  it("are kept where they are given, with AdamW, and where an outer step says how far weights go", laws, async () => {
    const given = await ratesOf(4, { pruneLearningRate: 0.01, learningRate: 0.02 });
    expect([given.notes, given.rates, given.used.get("prune")]).toEqual([[], [], 0.01]);
    // What is given beside it is kept too.
    const half = await ratesOf(4, { pruneLearningRate: 0.01 });
    expect([half.notes.length, half.used.get("prune")]).toEqual([1, 0.01]);
    expect((await ratesOf(4, { pruneLearningRate: 0.01, epochs: 0 })).notes).toEqual([]);
    for (const more of [{ optimiser: { kind: "adamw" } }, { outerRate: 0.7, outerMomentum: 0.9 }] as const) {
      const { notes, rates } = await ratesOf(4, { ...more, epochs: 0 });
      expect([notes, rates.length, rates[0]!.times]).toEqual([[], 1, undefined]);
    }
  });

  it("are multiplied once where a run goes on", laws, async () => {
    const whole = await ratesOf(4);
    const saved: Uint8Array[] = [];
    const checkpoints: Checkpoints = { every: 0, save: async (pieces) => void saved.push(joinBytes(pieces)) };
    await ratesOf(4, { checkpoints });
    for (const at of [0, saved.length - 2]) {
      const from = { name: "checkpoint", bytes: saved[at]! };
      const { notes, rates, used, bytes } = await ratesOf(4, {
        checkpoints: { every: 0, from, save: () => Promise.resolve() },
      });
      expect(bytes).toBe(whole.bytes);
      expect(used.get("finetune")).toBe(whole.used.get("finetune"));
      expect([notes, rates.length]).toEqual([[], at === 0 ? 1 : 0]);
    }
  });

  it("hold for finetune too, unless one is given", async () => {
    const rates: Told[] = [];
    const notes: string[] = [];
    const onEvent = (event: Told) => void (event.kind === "rate" && rates.push(event));
    const options = { ...common, epochs: 1, machines: 4, averageEvery: 2 } satisfies FinetuneOptions;
    await finetune(model, { ...options, onEvent, onNote: (text) => void notes.push(text) });
    expect(rates).toMatchObject([{ phase: "finetune", times: 2 }]);
    expect(notes.filter((text) => text.includes(said))).toHaveLength(1);
    await finetune(model, { ...options, learningRate: 0.01, onEvent, onNote: (text) => void notes.push(text) });
    expect([rates.length, notes.filter((text) => text.includes(said)).length]).toEqual([1, 1]);
  });
});
