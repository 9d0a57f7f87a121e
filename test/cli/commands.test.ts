/** Every command on small models and data. */

import { readFileSync, readdirSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { readModelFile } from "../../src/onnx/files-node.ts";
import { nodeRuntime } from "../../src/runtime/workers-node.ts";
import { zooNames } from "../../src/zoo/zoo.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { random } from "../support/graphs.ts";
import { moduleText, openWorkshop, secateur, writeDigits, type Ran } from "./support.ts";
import { laws } from "../support/laws.ts";

const workshop = openWorkshop();
const { folder, at, write } = workshop;

/** A command line in words: files lie in the folder of this test, and DIGITS is the data that is there. */
function wordsOf(line: string): string[] {
  return line.split(" ").flatMap((word) => {
    if (word === "DIGITS") return ["--data", `mnist:${folder}`, "--threads", "1", "--batch-size", "32"];
    const [, kind = "", file] = /^(module:)?([^:]+\.(?:onnx|json|mjs))$/.exec(word) ?? [];
    return [file === undefined ? word : `${kind}${at(file)}`];
  });
}

/** Runs a line that is right; fails with what it said where it is not. */
async function succeed(line: string): Promise<Ran> {
  const ran = await secateur(wordsOf(line));
  expect(ran.code, `${line}\n${ran.err}`).toBe(0);
  return ran;
}

const bytesOf = (name: string): Buffer => readFileSync(at(name));
const jsonOf = (name: string) => JSON.parse(readFileSync(at(name), "utf8"));

async function runFile(name: string, feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
  const session = await nodeRuntime.load(bytesOf(name), { threads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

const images = (n: number): Tensor => ({
  dtype: "float32",
  shape: [n, 1, 28, 28],
  data: Float32Array.from({ length: n * 784 }, random(3)),
});

/** The groups of LeNet-5 and their units. */
const sizes: Readonly<Record<string, number>> = {
  "conv1.weight": 6,
  "conv2.weight": 16,
  "fc1.weight": 120,
  "fc2.weight": 84,
};

const countsOf = (plan: { remove: Record<string, number[]> }): Record<string, number> =>
  Object.fromEntries(Object.entries(plan.remove).map(([name, units]) => [name, units.length]));

beforeAll(async () => {
  writeDigits(workshop);
  write("fine.mjs", moduleText());
  await succeed("new lenet5 --seed 1 -o net.onnx");
  await succeed("train net.onnx DIGITS --seed 3 --epochs 6 --learning-rate 0.05 -o trained.onnx");
});
afterAll(() => workshop.remove());

describe("new", () => {
  it.each(zooNames)("writes %s", async (name) => {
    const { out, err } = await succeed(`new ${name} --classes 7 -o zoo.onnx`);
    expect([out, err]).toEqual(["", `-> ${at("zoo.onnx")}\n`]);
    const { graph } = await readModelFile(at("zoo.onnx"));
    expect(graph.outputs.map(({ shape }) => shape)).toEqual([["batch", 7]]);
  });

  it("takes an input shape, and a seed that decides the bytes", async () => {
    for (const [seed, file] of [
      [1, "a"],
      [1, "b"],
      [2, "c"],
    ] as const)
      await succeed(`new lenet3 --input 1x20x24 --seed ${seed} -o ${file}.onnx`);
    expect((await readModelFile(at("a.onnx"))).graph.inputs[0]!.shape).toEqual(["batch", 1, 20, 24]);
    expect(bytesOf("a.onnx").equals(bytesOf("b.onnx"))).toBe(true);
    expect(bytesOf("a.onnx").equals(bytesOf("c.onnx"))).toBe(false);
  });
});

describe("inspect", () => {
  it("prints JSON with groups, costs and what is frozen", async () => {
    const { out, err } = await succeed("inspect net.onnx --json");
    expect(err).toBe("");
    const summary = JSON.parse(out);
    expect(Object.fromEntries(summary.groups.map((g: { name: string; units: number }) => [g.name, g.units]))).toEqual(
      sizes,
    );
    expect(summary).toMatchObject({ opset: 23, params: 61706, macs: 416_520, refused: [] });
    expect(summary.frozen).toEqual([
      { name: "fc3.weight", units: 10, reasons: [expect.stringContaining("is an output of the model")] },
    ]);
  });

  it("prints the same as a table", async () => {
    const { out, err } = await succeed("inspect net.onnx");
    expect(err).toBe("");
    expect(out).toMatch(/^MACs +416\.52 k$/m);
    expect(out).toMatch(/^conv2\.weight +16 /m);
    expect(out).toMatch(/frozen:\n {2}fc3\.weight \(10\): "logits" is an output of the model\n$/);
  });
});

describe("plan", () => {
  it("takes half of every group, rounded down", async () => {
    const { out, err } = await succeed("plan net.onnx --ratio 0.55 -o half.json");
    expect([out, err]).toEqual(["", `123 of 226 units of 4 of 4 groups -> ${at("half.json")}\n`]);
    expect(countsOf(jsonOf("half.json"))).toEqual({
      "conv1.weight": 3,
      "conv2.weight": 8,
      "fc1.weight": 66,
      "fc2.weight": 46,
    });
  });

  it("takes half of the whole net", async () => {
    await succeed("plan net.onnx --ratio 0.5 --scope global -o global.json");
    const counts = countsOf(jsonOf("global.json"));
    expect(Object.values(counts).reduce((a, b) => a + b)).toBe(113);
    expect(counts).not.toEqual({ "conv1.weight": 3, "conv2.weight": 8, "fc1.weight": 60, "fc2.weight": 42 });
  });

  it("leaves a multiple of what is rounded to, or all", async () => {
    await succeed("plan net.onnx --ratio 0.4 --round-to 8 -o round.json");
    // Of 6 units 4 would stay, of 16 10, of 120 72 and of 84 51: rounded up to 6 (all), 16 (all), 72 and 56.
    expect(countsOf(jsonOf("round.json"))).toEqual({ "fc1.weight": 48, "fc2.weight": 28 });
  });

  it("rounds to what the machine's kernels take at a time", async () => {
    const { err } = await succeed("plan net.onnx --ratio 0.4 --round-to auto -o auto.json");
    const block = /rounded to (\d+)$/m.exec(err)?.[1];
    if (block === undefined) expect(err).toContain("widths are not rounded");
    await succeed(`plan net.onnx --ratio 0.4 --round-to ${block ?? 1} -o number.json`);
    expect(jsonOf("auto.json")).toEqual(jsonOf("number.json"));
  });

  it("draws by the seed", async () => {
    for (const [seed, file] of [
      [7, "p"],
      [7, "q"],
      [8, "r"],
    ] as const)
      await succeed(`plan net.onnx --ratio 0.3 --criterion random --seed ${seed} -o ${file}.json`);
    expect(jsonOf("p.json")).toEqual(jsonOf("q.json"));
    expect(jsonOf("p.json")).not.toEqual(jsonOf("r.json"));
  });
});

describe("cut and mask", () => {
  it("give equal outputs, the one with half the units, the other in the shapes there were", async () => {
    await succeed("plan net.onnx --ratio 0.5 -o plan.json");
    const cut = JSON.parse((await succeed("cut net.onnx --plan plan.json -o cut.onnx --json")).out);
    expect(cut.proof).toMatchObject({ between: [], notFinite: 0, noisy: 0 });
    expect(cut.proof.difference).toBeLessThan(1e-6);
    expect((await succeed("cut net.onnx --plan plan.json -o cut.onnx")).err).toMatch(/^proved on random inputs: /m);
    const blind = await succeed("cut net.onnx --plan plan.json --no-prove -o blind.onnx");
    expect(blind.err).not.toContain("proved");
    expect(bytesOf("blind.onnx").equals(bytesOf("cut.onnx"))).toBe(true);
    const masked = await succeed("mask net.onnx --plan plan.json -o mask.onnx");
    expect(masked.out).toBe("");
    expect(masked.err).toMatch(/^parameters +61\.71 k +61\.\d+ k$/m);
    // 3 and 8 channels, 60 and 42 neurons: what LeNet-5 of those sizes has.
    expect(cut.before.params).toBe(61706);
    expect(cut.after.params).toBe(3 * 25 + 3 + 8 * 3 * 25 + 8 + 60 * 200 + 60 + 42 * 60 + 42 + 10 * 42 + 10);
    expect(JSON.parse((await succeed("inspect cut.onnx --json")).out).params).toBe(cut.after.params);
    const input = images(2);
    const [small, zeroed, whole] = await Promise.all(
      ["cut.onnx", "mask.onnx", "net.onnx"].map(async (file) => (await runFile(file, { input })).logits!.data),
    );
    Array.from(small as Float32Array).forEach((x, i) => expect(x).toBeCloseTo(Number(zeroed![i]), 5));
    expect(Array.from(small as Float32Array).some((x, i) => Math.abs(x - Number(whole![i])) > 1e-3)).toBe(true);
  });
});

describe("grad", () => {
  const feeds = {
    input: images(3),
    target: { dtype: "int64" as const, shape: [3], data: BigInt64Array.of(1n, 2n, 9n) },
  };

  it("writes the loss and a gradient of the shape of each parameter", async () => {
    const { out, err } = await succeed("grad net.onnx -o grad.onnx --batch 3");
    expect(out).toBe("");
    expect(err).toMatch(/^10 gradients, \d+ nodes -> /);
    const results = await runFile("grad.onnx", feeds);
    const { initializers } = (await readModelFile(at("net.onnx"))).graph;
    const parameters = [...initializers].filter(([name]) => /\.(weight|bias)$/.test(name));
    expect(Object.fromEntries(Object.entries(results).map(([name, { shape }]) => [name, shape]))).toEqual({
      loss: [],
      ...Object.fromEntries(parameters.map(([name, { shape }]) => [`grad/${name}`, shape])),
    });
    // What the loss of an even guess is, roughly; its gradients are those of a net that has not learned.
    expect(Number(results.loss!.data[0])).toBeCloseTo(Math.log(10), 1);
  });

  it("writes a gradient of each sample for the gates of each group", async () => {
    await succeed("grad net.onnx -o gates.onnx --batch 3 --wrt gates");
    const results = await runFile("gates.onnx", feeds);
    expect(Object.fromEntries(Object.entries(results).map(([name, { shape }]) => [name, shape]))).toEqual({
      loss: [],
      ...Object.fromEntries(Object.entries(sizes).map(([name, units]) => [`grad/${name}`, [3, units]])),
    });
  });
});

describe("--json", () => {
  it("of plan tells what goes of each group", async () => {
    const { removed, units, groups, output } = JSON.parse(
      (await succeed("plan net.onnx --ratio 0.55 --json -o json.json")).out,
    );
    expect([removed, units, output]).toEqual([123, 226, at("json.json")]);
    expect(groups[0]).toEqual({ name: "conv1.weight", units: 6, removed: 3 });
  });

  it("of grad tells what goes in and out", async () => {
    const { inputs, outputs } = JSON.parse((await succeed("grad net.onnx --batch 2 --json -o grad.onnx")).out);
    expect(inputs).toEqual([
      { name: "input", dtype: "float32", shape: [2, 1, 28, 28] },
      { name: "target", dtype: "int64", shape: [2] },
    ]);
    expect(outputs[0]).toBe("loss");
    expect(outputs).toContain("grad/conv1.weight");
  });

  it("of new tells what the model costs", async () => {
    const { out } = await succeed("new lenet5 --json -o json.onnx");
    expect(JSON.parse(out)).toMatchObject({ name: "lenet5", params: 61706, macs: 416_520, output: at("json.onnx") });
  });

  it("of criteria lists them", async () => {
    expect(JSON.parse((await succeed("criteria --json")).out)).toContainEqual({
      name: "magnitude",
      cost: "no data",
      summary: expect.any(String),
    });
  });
});

describe("eval", () => {
  it("prints JSON of what a trained net can do", async () => {
    const { out, err } = await succeed("eval trained.onnx DIGITS --json");
    const result = JSON.parse(out);
    expect(Object.keys(result)).toEqual(["loss", "top1", "top5", "intervals", "samples", "samplesPerSecond"]);
    expect(result.intervals.top1.low).toBeLessThan(result.top1);
    expect(result.intervals.top1.high).toBeGreaterThanOrEqual(result.top1);
    expect(result).toMatchObject({ samples: 100 });
    expect(result.top1).toBeGreaterThan(0.95);
    expect(err).toMatch(/^(from the model's file: --preset unit .*\n)?$/);
  });

  it("prints lines, of the split and the number of batches asked for", async () => {
    const { out } = await succeed("eval trained.onnx DIGITS --split train --batches 3");
    expect(out).toMatch(
      /^loss +\d\.\d{4}\ntop-1 +\d+ % \(\d+ to \d+ %\)\ntop-5 +\d+ % \(\d+ to \d+ %\)\nsamples +96\nimages\/s +\d+\n$/,
    );
  });

  it("takes data from a module", async () => {
    expect(JSON.parse((await succeed("eval net.onnx --data module:fine.mjs --json")).out).samples).toBe(32);
  });
});

describe("score", () => {
  it("prints JSON where no file is named", async () => {
    const { out, err } = await succeed("score trained.onnx --criterion magnitude --json");
    expect(err).toBe("");
    expect(Object.keys(JSON.parse(out).groups)).toEqual(Object.keys(sizes));
  });

  it("writes the importance of every unit as JSON", async () => {
    const { out } = await succeed("score trained.onnx DIGITS --batches 3 --json scores.json");
    expect(out).toBe("");
    const scores = jsonOf("scores.json");
    expect(Object.keys(scores)).toEqual(["criterion", "gates", "targets", "groups"]);
    expect(scores.criterion).toBe("taylor-fo");
    expect(
      Object.fromEntries(Object.entries(scores.groups).map(([name, values]) => [name, (values as number[]).length])),
    ).toEqual(sizes);
    const values = Object.values<number[]>(scores.groups).flat();
    expect(values.every((value) => value >= 0)).toBe(true);
    expect(values.some((value) => value > 0)).toBe(true);
  });

  it("prints a table, without data where the criterion needs none", async () => {
    const { out, err } = await succeed("score trained.onnx --criterion magnitude");
    expect(err).toBe("");
    expect(out.split("\n").map((line) => line.split(/ +/).slice(0, 2))).toEqual([
      ["group", "units"],
      ...Object.entries(sizes).map(([name, units]) => [name, String(units)]),
      [""],
    ]);
  });
});

describe("prune and finetune", () => {
  const prune = "prune trained.onnx DIGITS --seed 3 --every 2";

  it("meet the budget, keep what was learned, and give the same bytes for the same seed", async () => {
    const first = await succeed(`${prune} --macs 0.5 --epochs 2 --json -o small.onnx`);
    const result = JSON.parse(first.out);
    expect(result).toMatchObject({ end: "met", before: { macs: 416_520 }, output: at("small.onnx") });
    expect(result.after.macs).toBeLessThanOrEqual(0.5 * result.before.macs);
    expect(JSON.parse((await succeed("inspect small.onnx --json")).out).macs).toBe(result.after.macs);
    await succeed(`${prune} --macs 0.5 --epochs 2 -o again.onnx`);
    expect(bytesOf("again.onnx").equals(bytesOf("small.onnx"))).toBe(true);
    const tuned = await succeed("finetune small.onnx DIGITS --epochs 1 --flip -o tuned.onnx");
    const last = `-> ${at("tuned.onnx")}, and how it came about -> ${at("tuned.run/report.html")}`;
    const next = `next: secateur eval ${at("tuned.onnx")} --data mnist:${folder}`;
    expect([tuned.out, tuned.err.split("\n").slice(-3)]).toEqual(["", [last, next, ""]]);
    expect(JSON.parse((await succeed("eval tuned.onnx DIGITS --json")).out).top1).toBeGreaterThan(0.95);
  });

  it("measure what a model without labels keeps of itself, in a report too", laws, async () => {
    const { out, err } = await succeed(`${prune} --targets sampled --macs 0.6 --epochs 2 --json -o alone.onnx`);
    const { before, after, run } = JSON.parse(out);
    expect(before).toMatchObject({ agreement: 1, loss: 0 });
    expect(after.agreement).toBeGreaterThan(0.8);
    expect(after.loss).toBeGreaterThan(0);
    expect(after).not.toHaveProperty("top1");
    expect(err).toContain("at the start: agreement with the original 100 % (96 to 100 %, 100 samples) with 226 units");
    const page = readFileSync(`${run}/report.html`, "utf8");
    expect(page).toContain("agreement with the original from 100 %");
    expect(page).toContain("agreement with the original (%)");
  });

  it("share minibatches out to workers", laws, async () => {
    const ran = await succeed(`${prune} --workers 2 --macs 0.5 --epochs 2 --json -o shared.onnx`);
    expect(JSON.parse(ran.out).after.top1).toBeGreaterThan(0.95);
    const { code, err } = await secateur(wordsOf(`${prune} --workers 3 --macs 0.5 -o shared3.onnx`));
    expect([code, err]).toEqual([2, expect.stringContaining("a minibatch of 32 does not divide over 3 workers")]);
  });

  it("keep to limits, round widths and plan removals", async () => {
    const limits = "--keep conv1.* --min-units 5 --round-to 4 --ratio fc1.weight=0.25 --schedule cubic --removals 4";
    const ran = await succeed(`${prune} ${limits} --scope local --params 0.7 --epochs 0 --json -o limited.onnx`);
    const { removals, end } = JSON.parse(ran.out);
    // Blocks of four may meet the targets of several removals at once.
    expect([removals > 1, removals <= 4, end]).toEqual([true, true, "met"]);
    const { groups } = JSON.parse((await succeed("inspect limited.onnx --json")).out);
    const widths = Object.fromEntries(groups.map(({ name, units }: { name: string; units: number }) => [name, units]));
    expect(widths["conv1.weight"]).toBe(6);
    expect(widths["fc1.weight"]).toBeGreaterThanOrEqual(90);
    for (const name of ["conv2.weight", "fc1.weight", "fc2.weight"]) expect(widths[name] % 4).toBe(0);
    const wrong = await secateur(wordsOf(`${prune} --keep nothing* --macs 0.5 -o limited.onnx`));
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('no group is named "nothing*"')]);
  });

  it("count importance per what the budget counts, and say so", async () => {
    const removedBy = async (more: string) => {
      const { out, err } = await succeed(`${prune} --epochs 0 ${more} --json -o per.onnx`);
      return { ...JSON.parse(out), said: /^units are ranked by .+$/m.exec(err)?.[0] };
    };
    const [units, macs, same] = [
      await removedBy("--macs 0.7 --per unit"),
      await removedBy("--macs 0.7"),
      await removedBy("--macs 0.7 --per macs"),
    ];
    expect([macs.removals, macs.units, macs.after.macs]).toEqual([same.removals, same.units, same.after.macs]);
    expect([macs.end, macs.said]).toEqual([
      "met",
      "units are ranked by taylor-fo, per multiply-accumulate that they cost",
    ]);
    expect(units.said).toBe("units are ranked by taylor-fo, per unit");
    // Units that cost much go first, so that fewer need go.
    expect(macs.units).toBeGreaterThan(units.units);
  });

  it("leave a LeNet-5 of 30 % of its multiply-accumulates what it knows, with no option but the budget", async () => {
    const left = async (more: string): Promise<number> => {
      const line = `prune trained.onnx DIGITS --macs 0.3 --schedule one-shot --epochs 0${more} --json -o third.onnx`;
      return JSON.parse((await succeed(line)).out).after.top1;
    };
    const [byDefault, perUnit] = [await left(""), await left(" --per unit")];
    expect(byDefault).toBeGreaterThan(0.95);
    // Per unit the last layers go, which cost little, and with them nearly all units.
    expect(byDefault - perUnit, `${byDefault} against ${perUnit}`).toBeGreaterThan(0.1);
  });

  it("print the costs on stderr without --json", async () => {
    const { out, err } = await succeed(`${prune} --units 0.9 --epochs 0 -o ninety.onnx`);
    expect(out).toBe("");
    expect(err).toMatch(/^macs +416\.52 k +\d+\.\d\d k +0\.\d{3}$/m);
  });

  it("stop where the loss is above its limit: with exit code 0 if there is no budget, else 1", async () => {
    const stopped = await succeed(`${prune} --max-loss 1e-9 --epochs 0 --json -o early.onnx`);
    expect(JSON.parse(stopped.out)).toMatchObject({ end: "max-loss", removals: 0, units: 226 });
    const { code, err } = await secateur(wordsOf(`${prune} --max-loss 1e-9 --macs 0.5 --epochs 0 -o early.onnx`));
    expect([code, err]).toEqual([1, expect.stringContaining("pruning stopped because the loss passed 1e-9\n")]);
  });

  it("end before anything is learned where the budget cannot be met", async () => {
    const line = "prune net.onnx DIGITS --units 0.001 --every 1 --units-per-step 200 --epochs 0 -o least.onnx";
    const { code, err } = await secateur(wordsOf(line));
    expect([code, err]).toEqual([2, expect.stringMatching(/^secateur: --units cannot be met: of 226 units /)]);
  });
});

describe("an interrupt", laws, () => {
  /** Interrupts a run as soon as it tells how the work goes, or has begun. */
  async function interrupt(line: string): Promise<Ran> {
    const abort = new AbortController();
    if (/^(score|eval) /.test(line)) setTimeout(() => abort.abort());
    const before = readdirSync(folder);
    const ran = await secateur(wordsOf(line), abort.signal, () => abort.abort());
    expect(readdirSync(folder)).toEqual(before);
    return ran;
  }

  it.each([
    "prune trained.onnx DIGITS --macs 0.1 --every 1 --units-per-step 1 --epochs 0 -o never.onnx",
    "finetune trained.onnx DIGITS --epochs 1000 -o never.onnx",
    "score trained.onnx DIGITS --batches 1000 --json never.json",
    "eval trained.onnx DIGITS",
  ])("ends %s with exit code 130, and nothing is written", async (line) => {
    const { code, out, err } = await interrupt(line);
    expect([code, out]).toEqual([130, ""]);
    expect(err).toMatch(/^(.+\n)*interrupted; nothing was written\n$/);
  });

  it("after a removal leaves a run that goes on, to the same bytes", async () => {
    const line =
      "prune trained.onnx DIGITS --macs 0.5 --per unit --every 1 --units-per-step 4 --epochs 1 --checkpoint-every 0";
    await succeed(`${line} -o whole.onnx`);
    for (const [said, run] of [
      ["removal 2", "soon"],
      ["pruned", "between"],
      ["epoch 1", "late"],
    ] as const) {
      const abort = new AbortController();
      const ran = await secateur(wordsOf(`${line} -o ${run}.onnx`), abort.signal, (text) => {
        if (text.includes(said)) abort.abort();
      });
      expect([ran.code, ran.out]).toEqual([130, ""]);
      expect(ran.err).toContain(`interrupted; secateur prune --resume ${at(run)}.run goes on\n`);
      expect(readdirSync(folder)).not.toContain(`${run}.onnx`);
      const { err } = await succeed(`prune --resume ${at(run)}.run`);
      const shares = [...err.matchAll(/MACs \(([\d.]+) %\)/g)].map(([, share]) => Number(share));
      expect(shares.every((share) => share < 100)).toBe(true);
      expect(shares.length > 0).toBe(run === "soon");
      expect(bytesOf(`${run}.onnx`).equals(bytesOf("whole.onnx"))).toBe(true);
    }
  });

  it("leaves a run that is not begun anew by mistake, nor gone on with when it is finished", async () => {
    const again = async (line: string): Promise<string> => {
      const { code, err } = await secateur(wordsOf(line));
      expect(code).toBe(2);
      return err;
    };
    const abort = new AbortController();
    const line = "prune trained.onnx DIGITS --macs 0.5 --per unit --every 1 --units-per-step 4 --epochs 0 -o kept.onnx";
    await secateur(wordsOf(line), abort.signal, (text) => text.includes("removal 2") && abort.abort());
    expect(await again(line)).toContain(`${at("kept")}.run holds a run that is not finished`);
    expect(await again(`prune --resume ${at("kept")}.run --macs 0.3`)).toContain("takes no --macs besides");
    await succeed(`${line} --force`);
    expect(await again(`prune --resume ${at("kept")}.run`)).toContain("is finished");
    expect(await again(`prune --resume ${at("nowhere")}.run`)).toContain("is no run of secateur");
    await succeed(line);
  });

  it("is not mistaken for one of another model", async () => {
    const abort = new AbortController();
    await succeed("new lenet5 --seed 2 -o other.onnx");
    const line =
      "prune other.onnx DIGITS --macs 0.5 --per unit --every 1 --units-per-step 4 --epochs 0 -o changed.onnx";
    await secateur(wordsOf(line), abort.signal, (text) => text.includes("removal 2") && abort.abort());
    await succeed("new lenet5 --seed 3 -o other.onnx");
    const { code, err } = await secateur(["prune", "--resume", `${at("changed")}.run`]);
    expect([code, err]).toEqual([2, expect.stringContaining("is no more what it was")]);
  });
});

describe("colours", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("are where they are asked for, in headings, help and errors, and nowhere else", async () => {
    vi.stubEnv("NO_COLOR", "");
    vi.stubEnv("FORCE_COLOR", "1");
    const bold = (text: string) => `\u001B[1m${text}\u001B[22m`;
    expect((await succeed("inspect net.onnx")).out).toContain(
      bold("group         units  parameters of each  MACs of each"),
    );
    expect((await succeed("plan --help")).out).toContain(bold("Budget:"));
    const red = "\u001B[31msecateur:\u001B[39m";
    expect((await secateur(["inspect", at("none.onnx")])).err.startsWith(`${red} `)).toBe(true);
    expect((await secateur(["inspekt"])).err.startsWith(`${red} unknown command`)).toBe(true);
    vi.stubEnv("NO_COLOR", "1");
    for (const line of ["inspect net.onnx", "plan --help"]) expect((await succeed(line)).out).not.toContain("\u001B");
    expect((await secateur(["inspekt"])).err).toMatch(/^secateur: /);
  });

  it("are not where there is no terminal", async () => {
    vi.stubEnv("NO_COLOR", "");
    vi.stubEnv("FORCE_COLOR", "");
    expect((await succeed("inspect net.onnx")).out).not.toContain("\u001B");
  });
});

describe("help", () => {
  const commands = [
    "inspect",
    "criteria",
    "score",
    "merge",
    "plan",
    "cut",
    "mask",
    "prune",
    "sweep",
    "studio",
    "eval",
    "compare",
    "grad",
    "data",
    "new",
  ];

  it.each([...commands, "train", "finetune", "config", "completion"])("of %s goes to stdout", async (command) => {
    const { out, err } = await succeed(`${command} --help`);
    expect(err).toBe("");
    expect(out).toMatch(new RegExp(`^Usage: secateur ${command} `));
  });

  it.each(commands)("of %s has examples whose options are right", async (command) => {
    const [, examples] = /Examples?:\n((?: {2}.*\n)+)/.exec((await succeed(`${command} --help`)).out)!;
    for (const example of examples!.trim().split("\n")) {
      const [line] = example
        .trim()
        .replace(/^secateur /, "")
        .replace(/cifar10:data|folder:pets/, `mnist:${folder}`)
        .split(" && ");
      expect(line!.split(" ")[0]).toBe(command);
      // What fetches is not tried: tests need no network.
      if (command === "data") continue;
      // All is right but what is read and written, which is not there.
      const words = line!.split(" ").map((word) => word.replace(/^(.+\.(?:onnx|json)|data\/.*)$/, at("no/$1")));
      const { code, err } = await secateur(words);
      if (command === "criteria") expect(code).toBe(0);
      else expect([code, err]).toEqual([2, expect.stringMatching(/: (no such file|there is no folder)/)]);
    }
  });

  it.each(["config", "completion"])("of %s has examples that work", async (command) => {
    const { out } = await succeed(`${command} --help`);
    const lines = [...out.split("Example:")[1]!.matchAll(/secateur ([^|>)\n]+)/g)].map(([, line]) => line!.trim());
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect((await succeed(line)).out).not.toBe("");
  });

  it("of prune is short, in groups, and shows first what people want", async () => {
    const { out } = await succeed("prune --help");
    expect(out.split("\n").length).toBeLessThan(56);
    expect([...out.matchAll(/^(\w+):$/gm)].map(([, heading]) => heading)).toEqual([
      "Budget",
      "Data",
      "Learning",
      "Machine",
      "Output",
      "Example",
    ]);
    expect(out).toMatch(/^Budget:\n {2}--max-drop <points> /m);
    expect(out).toMatch(/^Example:\n {2}secateur prune .* --max-drop 1 /m);
    expect(out).toMatch(/^\d+ more options: secateur prune --help all$/m);
    expect((await succeed("--help")).out).toMatch(/^Examples:\n {2}secateur prune .* --max-drop 1 /m);
  });

  it("shows all where all is asked for", async () => {
    const { out } = await succeed("prune --help all");
    const shown = [...out.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)].map(([, name]) => name);
    const { properties } = JSON.parse((await succeed("config --schema")).out).properties.prune;
    const named = Object.keys(properties).map((key) => key.replaceAll(/[A-Z]/g, (one) => `-${one.toLowerCase()}`));
    expect(shown.map((name) => name!.replace(/^no-/, "")).toSorted()).toEqual([...named, "help"].toSorted());
    expect(out).not.toContain("more options");
  });

  it.each([
    ["prune net.onnx --mac 0.5", "unknown option '--mac' (Did you mean --macs?)"],
    ["plan net.onnx --rati 0.5 -o x.json", "unknown option '--rati' (Did you mean --ratio?)"],
    ["prun net.onnx", "unknown command 'prun' (Did you mean prune?)"],
    ["plan net.onnx -o x.json", "required option '--ratio <share>' not specified"],
  ])("is not needed for what is misspelt: %s", async (line, text) => {
    const { code, err } = await secateur(line.split(" "));
    expect([code, err]).toEqual([2, `secateur: ${text}\n`]);
  });

  it("tells the exit codes", async () => {
    expect((await succeed("--help")).out).toMatch(/Exit codes:\n {2}0 +done\n {2}1 .*\n {2}2 .*\n {2}130 /);
  });

  it("is printed where no command is named, as an error", async () => {
    const { code, out, err } = await secateur([]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(/^Usage: secateur /);
  });

  it("has a version, that of the package", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect((await succeed("--version")).out).toBe(`${version}\n`);
  });
});
