/** Criteria: what they share, what they equal, and values computed by hand. */

import { describe, expect, it } from "vitest";
import type { DataCriterion, Scores } from "../../src/criteria/criterion.ts";
import { criteria, findCriterion } from "../../src/criteria/table.ts";
import type { Graph, Node } from "../../src/graph/graph.ts";
import { tensor } from "../../src/graph/tensor.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { trace } from "../../src/passes/trace.ts";
import { widen } from "../../src/passes/widen.ts";
import { createCostModel } from "../../src/prune/select/cost-model.ts";
import { mask } from "../../src/prune/cut/mask.ts";
import { insertGates } from "../../src/prune/gates/gated.ts";
import { gatePlaces } from "../../src/options/ranking.ts";
import { passGates } from "../../src/prune/gates/gate-places.ts";
import { findGates } from "../../src/prune/gates/gates.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { Runtime } from "../../src/runtime/port.ts";
import { appendBackward, finishGraph, gradientGraph } from "../../src/objective/backward.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { pruneLoop } from "../../src/loop/prune.ts";
import { score, scoreAll } from "../../src/score/score.ts";
import { randomDataset } from "../support/datasets.ts";
import { modelOf, newBuilder, random, runGraph } from "../support/graphs.ts";
import { readNetModel } from "../support/reference.ts";
import { laws } from "../support/laws.ts";

const net = (name: string): Graph => widen(prepare(loadModel(readNetModel(name))));
const options = { loss: "cross-entropy", batchSize: 8, batches: 2, seed: 0, threads: 1 } as const;
const dataFor = (graph: Graph, samples = 16) => randomDataset(graph, { samples, labels: 2 });
const flat = (scores: Scores): number[] => Array.from(scores.values(), (values) => Array.from(values)).flat();
const scoreBy = (graph: Graph, name: string, more = {}) =>
  score(directRuntime, graph, dataFor(graph), findCriterion(name), { ...options, ...more });

function expectClose(a: readonly number[], b: readonly number[], tolerance = 1e-4): void {
  expect(a.length).toBe(b.length);
  const scale = Math.max(...b.map(Math.abs));
  expect(scale).toBeGreaterThan(0);
  a.forEach((value, i) => expect(Math.abs(value - b[i]!)).toBeLessThanOrEqual(tolerance * scale));
}

/** Products of two activations: of the shape of an image each. */
const productsOf = (graph: Graph): number => {
  const { types } = trace(graph);
  return graph.nodes.filter(
    ({ op, inputs }) =>
      op === "Mul" &&
      inputs.every((input) =>
        types
          .get(input)!
          .shape.slice(2)
          .some((size) => size > 1),
      ),
  ).length;
};

/** A runtime that counts. */
function counting(): { runtime: Runtime; counts: { sessions: number; runs: number } } {
  const counts = { sessions: 0, runs: 0 };
  const runtime: Runtime = {
    name: "counting",
    threads: 1,
    async load(model, load) {
      counts.sessions++;
      const session = await directRuntime.load(model, load);
      return {
        ...session,
        run(feeds) {
          counts.runs++;
          return session.run(feeds);
        },
      };
    },
  };
  return { runtime, counts };
}

describe("no wasted work", () => {
  const names = [
    "taylor-fo",
    "taylor-fo-fg",
    "taylor-fo-variance",
    "taylor-2016",
    "bn-taylor",
    "wanda",
    "taylor-fo-weight",
  ];

  it("criteria of one pass share it, and get what they get alone", async () => {
    const graph = net("residual-conv");
    const { runtime, counts } = counting();
    const together = await scoreAll(runtime, graph, dataFor(graph), names.map(findCriterion), options);
    expect(counts).toEqual({ sessions: 1, runs: 2 });
    for (const name of names) expectClose(flat(together.get(name)!), flat(await scoreBy(graph, name)), 1e-5);
  });

  it("taylor-so takes one Hessian-vector product more for each minibatch", async () => {
    const graph = net("plain-cnn");
    const { runtime, counts } = counting();
    await scoreAll(runtime, graph, dataFor(graph), ["taylor-fo", "taylor-so"].map(findCriterion), options);
    expect(counts).toEqual({ sessions: 2, runs: 4 });
  });

  it("the oracle runs the unmasked net once for a minibatch, and many masks at once", async () => {
    const graph = net("plain-cnn");
    const groups = analyse(graph).groups;
    const { runtime, counts } = counting();
    await scoreAll(runtime, graph, dataFor(graph), [findCriterion("oracle")], options);
    const tiles = groups.reduce((n, { units }) => n + Math.ceil(units.length / (512 / 8)), 0);
    expect(counts).toEqual({ sessions: 1 + groups.length, runs: 2 * (1 + tiles) });
  });

  it("FG does not depend on the batch size; FO does", async () => {
    const graph = net("plain-cnn");
    const by = async (name: string, batchSize: number) =>
      flat(await scoreBy(graph, name, { batchSize, batches: 16 / batchSize }));
    expectClose(await by("taylor-fo-fg", 4), await by("taylor-fo-fg", 16), 1e-5);
    const [small, large] = [await by("taylor-fo", 4), await by("taylor-fo", 16)];
    expect(Math.max(...small.map((value, i) => Math.abs(value - large[i]!)))).toBeGreaterThan(
      0.05 * Math.max(...large),
    );
  });
});

describe("equalities", () => {
  for (const name of ["residual-conv", "residual-pad", "depthwise", "inception", "vgg"])
    it(`${name}: bn-taylor, which asks no gate, is taylor-fo at gates behind BatchNormalization, wherever they have passed on to`, async () => {
      const graph = net(name);
      const [bn, gate] = [await scoreBy(graph, "bn-taylor"), await scoreBy(graph, "taylor-fo")];
      for (const [group, values] of bn) expectClose([...values], [...gate.get(group)!]);
    });

  it("taylor-fo-weight-group is taylor-fo at gates directly behind the weights", async () => {
    const graph = net("residual-conv");
    const [weights, gate] = [
      await scoreBy(graph, "taylor-fo-weight-group"),
      await scoreBy(graph, "taylor-fo", { gates: "before-bn" }),
    ];
    expectClose(flat(weights), flat(gate));
    const plain = net("vgg-folded");
    const behind = await scoreBy(plain, "taylor-fo", { gates: "before-bn" });
    expectClose(flat(await scoreBy(plain, "taylor-fo-weight-group")), flat(behind));
  });

  it("gates in front of a BatchNormalization that learns have no gradient; those behind it have", async () => {
    const graph = net("residual-conv");
    const largest = async (gates: "before-bn" | "after-bn") => {
      const backward = appendBackward(graph, {
        batch: 8,
        loss: "cross-entropy",
        parameters: false,
        needs: ["gates"],
        gates,
        train: true,
      });
      const names = [...backward.evidence.values()].map((found) => found.get("gates")!.name);
      for await (const { inputs, target } of dataFor(graph).batches({ batchSize: 8 })) {
        const results = await runGraph(finishGraph(backward.builder, names), { ...inputs, target: target! });
        // The gradient of the mean loss, unit by unit.
        return Math.max(
          ...names.flatMap((name) => {
            const { data, shape } = results[name]!;
            const units = shape[1]!;
            return Array.from({ length: units }, (_, m) =>
              Math.abs((data as Float32Array).reduce((sum, value, i) => (i % units === m ? sum + value : sum), 0) / 8),
            );
          }),
        );
      }
      return Number.NaN;
    };
    const [before, after] = [await largest("before-bn"), await largest("after-bn")];
    expect(before).toBeLessThan(1e-3 * after);
  });

  it("gates pass on behind activation and pooling through the origin, and what lies before the first ones is not differentiated", () => {
    const graph = net("vgg");
    const groups = analyse(graph, { batch: 8 });
    const usual = findGates(groups);
    const passed = passGates(groups, usual);
    const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node.op] as const)));
    const opsOf = (gates: typeof passed) => [...gates.values()].flat().map(({ value }) => producers.get(value));
    expect(opsOf(usual)).not.toContain("MaxPool");
    expect(new Set(opsOf(passed))).toEqual(new Set(["MaxPool", "Relu"]));
    const count = (nodes: readonly Node[], ...names: string[]) => nodes.filter(({ op }) => names.includes(op)).length;
    const { nodes } = gradientGraph(graph, { batch: 8, loss: "cross-entropy", train: false, wrt: "gates" });
    expect(count(nodes, "MaxPool")).toBe(count(graph.nodes, "MaxPool"));
    expect(count(nodes, "HardSigmoid")).toBe(count(graph.nodes, "Relu") - 1);
  });

  for (const name of ["residual-conv", "depthwise", "vgg"])
    it(`${name}: beside the gradients of all parameters gates are what they are alone, and take no products of their own`, async () => {
      const graph = net(name);
      const one = { batch: 8, loss: "cross-entropy", needs: ["gates"], train: true } as const;
      const [alone, beside] = [false, true].map((parameters) => {
        const backward = appendBackward(graph, { ...one, parameters });
        const evidence = [...backward.evidence.values()].map((found) => found.get("gates")!.name);
        const gradients = [...backward.parameters.values()].map((gradient) => gradient.name);
        const finished = finishGraph(backward.builder, [...evidence, ...gradients]);
        const sums = finishGraph(backward.builder, gradients);
        return { evidence, finished, more: productsOf(finished) - productsOf(sums) };
      });
      expect(alone!.more).toBeGreaterThan(0);
      expect(beside!.more).toBe(0);
      for await (const { inputs, target } of dataFor(graph, 8).batches({ batchSize: 8 })) {
        const [a, b] = await Promise.all(
          [alone!, beside!].map(async ({ evidence, finished }) => {
            const results = await runGraph(finished, { ...inputs, target: target! });
            return evidence.flatMap((output) => [...(results[output]!.data as Float32Array)]);
          }),
        );
        expectClose(b!, a!);
      }
    });

  it("a residual stream has one shared gate behind its sums", () => {
    const graph = net("residual-conv");
    const groups = analyse(graph);
    const [usual, shared] = [findGates(groups), findGates(groups, "residual")];
    const stream = [...usual].find(([, places]) => places.length > 1)!;
    const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node.op] as const)));
    for (const { value } of shared.get(stream[0])!) expect(["Add", "Relu"]).toContain(producers.get(value));
  });

  it("where no gate can stand, it is said", () => {
    const folded = analyse(net("residual-conv-folded"));
    expect(() => findGates(folded, "before-bn")).toThrow(/before a BatchNormalization/);
    expect(() => findGates(analyse(net("vgg")), "residual")).toThrow(/residual stream/);
  });
});

describe("gates written into a graph", () => {
  for (const name of [
    "plain-cnn",
    "residual-conv",
    "depthwise",
    "dense",
    "gate",
    "lstm",
    "gru-bidirectional",
    "shuffle-v2",
    "mixer",
    "attention-merged",
  ])
    it(`${name}: 1 changes nothing, 0 is the mask`, async () => {
      const graph = net(name);
      const groups = analyse(graph, { batch: 2 });
      const next = random(4);
      const names: string[] = [];
      const { builder } = insertGates(groups, findGates(groups), (b, _g, group) => {
        const z = b.input(`z/${group.name}`, { dtype: "float32", shape: [group.units.length] }, true);
        names.push(z);
        return valueIn(b, z);
      });
      const output = graph.outputs[0]!.name;
      const gated = finishGraph(builder, [output]);
      const run = async (removal: ReadonlyMap<string, readonly number[]>) => {
        const z = groups.groups.map((group, i) => {
          const gone = new Set(removal.get(group.name));
          return [
            names[i]!,
            tensor(
              "float32",
              [group.units.length],
              group.units.map((_, unit) => (gone.has(unit) ? 0 : 1)),
            ),
          ] as const;
        });
        return Array.from(
          (await runGraph(gated, { ...feeds, ...Object.fromEntries(z) }))[output]!.data as Float32Array,
        );
      };
      let feeds = {};
      for await (const { inputs } of dataFor(graph).batches({ batchSize: 2, limit: 1 })) feeds = inputs;
      const plain = Array.from((await runGraph(graph, feeds))[output]!.data as Float32Array);
      expectClose(await run(new Map()), plain, 1e-5);
      const removal = new Map(
        groups.groups.map(({ name: group, units }) => [group, [...units.keys()].filter(() => next() < 0.3).slice(1)]),
      );
      const masked = Array.from((await runGraph(mask(graph, groups, removal), feeds))[output]!.data as Float32Array);
      expectClose(await run(removal), masked, 1e-4);
    });
});

describe("targets sampled from the model", () => {
  it("need no labels, and depend on the seed alone", async () => {
    const graph = net("plain-cnn");
    const bare = randomDataset(graph, { samples: 16 });
    const by = (seed: number, data = bare) =>
      score(directRuntime, graph, data, findCriterion("taylor-fo-fg"), { ...options, targets: "sampled", seed });
    const scores = flat(await by(0));
    expect(flat(await by(0))).toEqual(scores);
    expect(flat(await by(1))).not.toEqual(scores);
    await expect(score(directRuntime, graph, bare, findCriterion("taylor-fo"), options)).rejects.toThrow(/no targets/);
  });

  it(
    "give the Fisher information: the mean over classes by their probabilities",
    { ...laws, timeout: 60_000 },
    async () => {
      const graph = net("plain-cnn");
      const labelled = (label: number) => {
        const data = dataFor(graph, 8);
        return {
          ...data,
          async *batches(more: Parameters<typeof data.batches>[0]) {
            for await (const batch of data.batches(more))
              yield {
                ...batch,
                target: tensor(
                  "int64",
                  [batch.size],
                  Array.from({ length: batch.size }, () => label),
                ),
              };
          },
        };
      };
      const keep: DataCriterion<"gates"> = {
        name: "keep",
        summary: "all squared gradients",
        kind: "data",
        needs: ["gates"],
        sample: ({ gates }) => Float64Array.from(gates, (value) => value ** 2),
      };
      const one = { ...options, batches: 1 };
      const feeds: Record<string, never> = {};
      let p: number[][] = [];
      for await (const { inputs } of dataFor(graph, 8).batches({ batchSize: 8 })) {
        const { data, shape } = (await runGraph(graph, { ...feeds, ...inputs }))[graph.outputs[0]!.name]!;
        p = Array.from({ length: 8 }, (_, n) => {
          const row = Array.from((data as Float32Array).subarray(n * shape[1]!, (n + 1) * shape[1]!), Math.exp);
          const sum = row.reduce((a, b) => a + b, 0);
          return row.map((value) => value / sum);
        });
      }
      const squares = await Promise.all(
        p[0]!.map(async (_, label) => score(directRuntime, graph, labelled(label), keep, one)),
      );
      const [group] = squares[0]!.keys();
      const units = squares[0]!.get(group!)!.length / 8;
      const exact = Array.from({ length: units }, (_, m) =>
        p.reduce(
          (sum, row, n) =>
            sum + row.reduce((own, share, label) => own + share * squares[label]!.get(group!)![n * units + m]!, 0) / 8,
          0,
        ),
      );
      const draws = 200;
      const mean = new Float64Array(units);
      for (let seed = 0; seed < draws; seed++) {
        const scores = await score(directRuntime, graph, dataFor(graph, 8), findCriterion("taylor-fo-fg"), {
          ...one,
          targets: "sampled",
          seed,
        });
        scores.get(group!)!.forEach((value, m) => (mean[m]! += value / draws));
      }
      // 1,600 draws of a class: a few per cent of standard error.
      expectClose([...mean], exact, 0.15);
    },
  );
});

/** x [N, 3] -> hidden [N, 4] with Relu -> [N, 2]. */
function denseNet() {
  const first = [1, -2, 0.5, 3, 0, 1, -1, 2, 2, 1, 1, -1];
  const second = [1, 0, -1, 2, 0.5, 0.5, 3, -1];
  const builder = newBuilder();
  const g = createEmitter(builder);
  const weight = (name: string, shape: readonly number[], values: readonly number[]) => {
    const value = tensor("float32", shape, values);
    builder.initializers.set(name, value);
    builder.types.set(name, value);
    return valueIn(builder, name);
  };
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [8, 3] }, true));
  const y = g.MatMul(g.Relu(g.MatMul(x, weight("first", [3, 4], first))), weight("second", [4, 2], second));
  const graph = {
    ...builder.finish([y.name]),
    inputs: [{ name: "x", dtype: "float32" as const, shape: ["batch", 3] }],
  };
  const column = (m: number) => [first[m]!, first[4 + m]!, first[8 + m]!];
  return { graph: prepare(modelOf(graph)), column, second };
}

describe("values by hand", () => {
  const { graph, column, second } = denseNet();
  const units = [0, 1, 2, 3];
  const own = async (name: string) => [...(await scoreBy(graph, name)).get("first")!];
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

  it("of weights", async () => {
    expectClose(
      await own("magnitude"),
      units.map((m) => sum(column(m).map((w) => w * w))),
      1e-6,
    );
    expectClose(
      await own("magnitude-l1"),
      units.map((m) => sum(column(m).map(Math.abs))),
      1e-6,
    );
    const distance = (m: number, k: number) => Math.hypot(...column(m).map((w, i) => w - column(k)[i]!));
    expectClose(
      await own("fpgm"),
      units.map((m) => sum(units.map((k) => distance(m, k)))),
      1e-6,
    );
    await expect(own("bn-scale")).rejects.toThrow(/needs BatchNormalization/);
    await expect(own("bn-taylor")).rejects.toThrow(/BatchNormalization/);
  });

  it("of activations", async () => {
    const rows: number[][] = [];
    for await (const { inputs } of dataFor(graph).batches({ batchSize: 8 })) {
      const x = inputs["x"]!.data as Float32Array;
      for (let n = 0; n < 8; n++)
        rows.push(units.map((m) => Math.max(0, sum(column(m).map((w, i) => w * x[n * 3 + i]!)))));
    }
    const mean = (of: (a: number) => number) => units.map((m) => sum(rows.map((row) => of(row[m]!))) / rows.length);
    expectClose(await own("activation-mean"), mean(Math.abs), 1e-5);
    expectClose(
      await own("apoz"),
      mean((a) => (a > 0 ? 1 : 0)),
      1e-6,
    );
    const reading = units.map((m) => second[2 * m]! ** 2 + second[2 * m + 1]! ** 2);
    expectClose(
      await own("wanda"),
      mean((a) => a * a).map((value, m) => value * reading[m]!),
      1e-5,
    );
  });

  it("of gradients", async () => {
    const norm = Math.hypot(...(await own("taylor-2016")));
    expect(norm).toBeCloseTo(1, 6);
    const model = createCostModel(analyse(graph, { batch: 8 }));
    const group = analyse(graph, { batch: 8 }).groups[0]!;
    const fg = await own("taylor-fo-fg");
    expectClose(
      await own("fisher-cost"),
      fg.map((value, m) => value / model.saving(group.units[m]!).macs),
      1e-5,
    );
    expectClose(
      await own("fisher-cost-bytes"),
      fg.map((value, m) => value / model.saving(group.units[m]!).bytes),
      1e-5,
    );
    const one = { batches: 1 };
    const [fo, square, variance] = await Promise.all(
      ["taylor-fo", "taylor-fo-fg", "taylor-fo-variance"].map(async (name) =>
        Array.from((await scoreBy(graph, name, one)).get("first")!),
      ),
    );
    expectClose(
      variance!,
      square!.map((value, m) => ((value - fo![m]!) * 8) / 7),
      1e-4,
    );
  });

  it("bn-scale is the mean of |γ|", async () => {
    const bn = net("vgg");
    const scores = await scoreBy(bn, "bn-scale");
    const node = bn.nodes.find(({ op }) => op === "BatchNormalization")!;
    const gamma = Array.from(bn.initializers.get(node.inputs[1]!)!.data as Float32Array, Math.abs);
    expect(
      [...scores.values()].some(
        (values) => values.length === gamma.length && values.every((value, i) => Math.abs(value - gamma[i]!) < 1e-6),
      ),
    ).toBe(true);
  });
});

describe("in the loop", () => {
  const loop = (graph: Graph, criterion: ReturnType<typeof findCriterion>, more = {}) =>
    pruneLoop(directRuntime, graph, dataFor(graph), {
      loss: "cross-entropy",
      batchSize: 8,
      seed: 0,
      threads: 1,
      criterion,
      target: { units: analyse(graph).groups.reduce((n, { units }) => n + units.length, 0) - 3 },
      learningRate: 0.01,
      every: 2,
      unitsPerStep: 2,
      probes: 2,
      ...more,
    });

  for (const name of [...criteria.keys()].filter((one) => one !== "oracle-combinatorial"))
    it(`${name} prunes`, async () => {
      const result = await loop(net("residual-conv"), findCriterion(name));
      expect(result.end).toBe("met");
      expect(result.removals.length).toBe(2);
    });

  it("a criterion of one's own scores and prunes", async () => {
    const mine: DataCriterion<"gates" | "activations"> = {
      name: "mine",
      summary: "gradients times activity",
      kind: "data",
      needs: ["gates", "activations"],
      sample: ({ gates, activations, units }) =>
        Float64Array.from({ length: units }, (_, m) => Math.abs(gates[m]!) * activations.magnitudes[m]!),
    };
    const graph = net("plain-cnn");
    const scores = await score(directRuntime, graph, dataFor(graph), mine, options);
    expect(flat(scores).every((value) => value >= 0)).toBe(true);
    expect((await loop(graph, mine)).removals.length).toBe(2);
  });

  it("without labels it learns from the original", async () => {
    const graph = net("plain-cnn");
    const bare = randomDataset(graph, { samples: 16 });
    for (const targets of ["labels", "sampled"] as const) {
      const result = await pruneLoop(directRuntime, graph, bare, {
        ...options,
        criterion: findCriterion("taylor-fo"),
        target: { units: 8 },
        targets,
        teacher: { graph, weight: 1, temperature: 2 },
        learningRate: 0.01,
        every: 1,
        unitsPerStep: 4,
      });
      expect(result.removals.length).toBeGreaterThan(0);
    }
  });

  for (const name of ["taylor-so", "oracle"])
    it(`without labels ${name} measures by sampled targets`, async () => {
      const graph = net("plain-cnn");
      const prune = (more: { readonly targets?: "sampled" }) =>
        pruneLoop(directRuntime, graph, randomDataset(graph, { samples: 16 }), {
          ...options,
          criterion: findCriterion(name),
          target: { units: 8 },
          teacher: { graph, weight: 1, temperature: 2 },
          learningRate: 0.01,
          every: 1,
          unitsPerStep: 4,
          ...more,
        });
      const widths = ({ graph: { initializers } }: { readonly graph: typeof graph }) =>
        [...initializers.values()].map(({ shape }) => shape);
      expect(widths(await prune({}))).toEqual(widths(await prune({ targets: "sampled" })));
    });

  it.each(["taylor-fo", "taylor-so", "magnitude"])("ends where %s has no group left to measure", async (name) => {
    const graph = net("lstm");
    const { end, units } = await loop(graph, findCriterion(name), { target: { params: 1 }, unitsPerStep: 7 });
    expect([end, units]).toEqual(["exhausted", 0]);
  });

  it("takes gates at every place", async () => {
    const graph = net("residual-conv");
    for (const gates of gatePlaces)
      expect((await loop(graph, findCriterion("taylor-fo"), { gates })).removals.length).toBe(2);
  });
});
