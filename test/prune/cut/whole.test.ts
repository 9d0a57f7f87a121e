/** Groups that go as a whole: what operators leave behind, what vanishes along, what is refused, and that costs, names and learning follow. */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { findCriterion } from "../../../src/criteria/table.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import { tensor, type Tensor } from "../../../src/graph/tensor.ts";
import { encodeModel } from "../../../src/onnx/encode.ts";
import { loadModel } from "../../../src/onnx/load.ts";
import type { Value } from "../../../src/ops/core/define.ts";
import { analyse, type Analysis } from "../../../src/prune/coupling/analysis.ts";
import { normalise } from "../../../src/passes/normalise.ts";
import { trace } from "../../../src/passes/trace.ts";
import { costsOf } from "../../../src/passes/costs.ts";
import { cut } from "../../../src/prune/cut/cut.ts";
import { mask } from "../../../src/prune/cut/mask.ts";
import { floorsOf } from "../../../src/prune/select/limits.ts";
import { composed } from "../../../src/prune/select/plan.ts";
import { assertProved, prove } from "../../../src/prune/proof/prove.ts";
import { replay } from "../../../src/prune/cut/replay.ts";
import { selectShare, selectStep } from "../../../src/prune/select/select.ts";
import type { Budget } from "../../../src/options/budget.ts";
import { whyNotWhole } from "../../../src/prune/cut/whole.ts";
import { directRuntime } from "../../../src/runtime/onnxruntime-node.ts";
import { finetune } from "../../../src/train/finetune.ts";
import { prepare, withGraph } from "../../../src/execute/prepare.ts";
import type { PrunePoint } from "../../../src/loop/options.ts";
import { pruneLoop, absoluteBudget } from "../../../src/loop/prune.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../../src/loop/checkpoint.ts";
import { newModel } from "../../../src/zoo/zoo.ts";
import { randomDataset } from "../../support/datasets.ts";
import { random, runGraph, tinyNet } from "../../support/graphs.ts";
import { readNetModel } from "../../support/reference.ts";
import { distance } from "../laws.ts";
import { laws } from "../../support/laws.ts";

const allOf = (groups: Analysis, ...names: string[]): Map<string, number[]> =>
  new Map(
    groups.groups.filter(({ name }) => names.includes(name)).map(({ name, units }) => [name, units.map((_, i) => i)]),
  );

const drawn = (groups: Analysis, seed: number): Map<string, number[]> => {
  const next = random(seed);
  return new Map(groups.groups.map(({ name, units }) => [name, units.map(() => next())]));
};

type Tiny = ReturnType<typeof tinyNet>;
/** A net that adds to its input what `branch` makes of an inner layer of 3 units, "inner". */
function withBranch(
  branch: (net: Tiny, inner: Value) => Value,
  join = (net: Tiny, x: Value, y: Value) => net.g.Add(x, y),
) {
  const net = tinyNet([2, 4, 5, 5]);
  const inner = net.g.Relu(net.g.Conv(net.x, net.weight("inner", [3, 4, 1, 1]), net.weight("inner.bias", [3])));
  const graph = net.finish(join(net, net.x, branch(net, inner)));
  return { graph, feeds: net.feeds };
}

async function apart(graph: Graph, feeds: Record<string, Tensor>, groups: Analysis, removal: Map<string, number[]>) {
  const small = cut(graph, groups, removal).graph;
  const [masked, pruned] = [await runGraph(mask(graph, groups, removal), feeds), await runGraph(small, feeds)];
  return { small, difference: distance(graph, masked, pruned) };
}

const bn = ({ g, weight }: Tiny, x: Value): Value =>
  g.BatchNormalization(x, weight("scale", [4]), weight("shift", [4]), weight("mean", [4]), weight("var", [4], 0.5));
const toLast = ({ g }: Tiny, x: Value): Value => g.Transpose(x, { perm: [0, 2, 3, 1] });
const toFirst = ({ g }: Tiny, x: Value): Value => g.Transpose(x, { perm: [0, 3, 1, 2] });

/** Branches by what is left of them: the operators of the graph, and the parameters. */
const branches: Readonly<Record<string, readonly [(net: Tiny, inner: Value) => Value, left: string, params: number]>> =
  {
    "a convolution: its bias": [
      (net, y) => net.g.Conv(y, net.weight("w", [4, 3, 3, 3]), net.weight("b", [4]), { pads: [1, 1, 1, 1] }),
      "Add",
      4,
    ],
    "a convolution without a bias: nothing": [
      (net, y) => net.g.Conv(y, net.weight("w", [4, 3, 3, 3]), { pads: [1, 1, 1, 1] }),
      "Identity",
      0,
    ],
    "a transposed convolution: its bias": [
      (net, y) => net.g.ConvTranspose(y, net.weight("w", [3, 4, 1, 1]), net.weight("b", [4])),
      "Add",
      4,
    ],
    "what normalisation makes of a bias": [
      (net, y) => bn(net, net.g.Conv(y, net.weight("w", [4, 3, 1, 1]), net.weight("b", [4]))),
      "Add",
      4,
    ],
    "what normalisation makes of zeros": [(net, y) => bn(net, net.g.Conv(y, net.weight("w", [4, 3, 1, 1]))), "Add", 4],
    "what activations make of it": [
      (net, y) => {
        const z = bn(net, net.g.Conv(y, net.weight("w", [4, 3, 1, 1])));
        return net.g.LeakyRelu(net.g.Mul(z, net.g.Sigmoid(z)), { alpha: 0.3 });
      },
      "Add",
      4,
    ],
    "a number, where an activation lifts zeros": [
      (net, y) => net.g.Sigmoid(net.g.Conv(y, net.weight("w", [4, 3, 1, 1]))),
      "Add",
      1,
    ],
    "a product of matrices: nothing, and the bias behind it": [
      (net, y) => toFirst(net, net.g.Add(net.g.MatMul(toLast(net, y), net.weight("w", [3, 4])), net.weight("b", [4]))),
      "Add",
      4,
    ],
    "a product by letters: nothing": [
      (net, y) => net.g.Einsum(y, net.weight("w", [3, 4]), { equation: "nchw,cd->ndhw" }),
      "Identity",
      0,
    ],
    "a factor of zeros: nothing": [
      (net, y) => net.g.Mul(net.x, net.g.Relu(net.g.Conv(y, net.weight("w", [4, 3, 1, 1])))),
      "Identity",
      0,
    ],
    "a sum over its units: nothing": [(net, y) => net.g.ReduceSum(y, net.g.ints([1])), "Identity", 0],
    "what is joined to others: the others": [
      (net, y) => net.g.Conv(net.g.Concat(net.x, y, { axis: 1 }), net.weight("w", [4, 7, 1, 1])),
      "Conv Add",
      16,
    ],
  };

describe("what operators leave of a group that went as a whole", () => {
  for (const [name, [branch, left, params]] of Object.entries(branches))
    it(name, async () => {
      const { graph, feeds } = withBranch(branch);
      const groups = analyse(graph);
      const { small, difference } = await apart(graph, feeds, groups, allOf(groups, "inner"));
      expect(small.nodes.map(({ op }) => op).join(" ")).toBe(left);
      expect(costsOf(trace(small)).params).toBe(params);
      expect(difference).toBeLessThan(1e-6);
    });

  it("of Gemm: its third input, times beta", async () => {
    for (const shape of [[4], [], [1], undefined]) {
      const net = tinyNet([3, 4]);
      const inner = net.g.Relu(net.g.Gemm(net.x, net.weight("inner", [4, 5])));
      const c = shape && net.weight("c", shape);
      const graph = net.finish(
        net.g.Add(net.x, net.g.Gemm(inner, net.weight("w", [4, 5]), c, { transB: 1, beta: 0.5 })),
      );
      const groups = analyse(graph);
      const { small, difference } = await apart(graph, net.feeds, groups, allOf(groups, "inner"));
      expect(small.nodes.map(({ op }) => op)).toEqual([shape ? "Add" : "Identity"]);
      expect(difference).toBeLessThan(1e-6);
    }
  });

  it("of a Split: the other parts", async () => {
    const net = tinyNet([2, 4, 5, 5]);
    const whole = net.g.Conv(net.x, net.weight("inner", [7, 4, 1, 1]));
    const [one, other] = net.g.many("Split", [whole, net.g.ints([3, 4])], { axis: 1 }, 2) as [Value, Value];
    const graph = net.finish(net.g.Add(other, net.g.Conv(one, net.weight("w", [4, 3, 1, 1]))));
    const groups = analyse(graph);
    const { small, difference } = await apart(graph, net.feeds, groups, allOf(groups, "inner"));
    expect(small.nodes.map(({ op }) => op)).toEqual(["Conv", "Identity"]);
    expect(difference).toBeLessThan(1e-6);
  });

  it("is told by an operator's rule, or refused by the name of the node", () => {
    const refusals: readonly (readonly [RegExp, (net: Tiny, inner: Value) => Value])[] = [
      [
        /Erf .* makes of a constant/,
        (net, y) => net.g.Erf(net.g.Conv(y, net.weight("w", [4, 3, 1, 1]), net.weight("b", [4]))),
      ],
      [
        /Concat .* in full/,
        (net, y) => {
          const few = net.g.Conv(y, net.weight("w", [2, 3, 1, 1]), net.weight("b", [2]));
          return net.g.Conv(net.g.Concat(few, net.x, { axis: 1 }), net.weight("v", [4, 6, 1, 1]));
        },
      ],
      [
        /MaxPool .* makes of a constant/,
        (net, y) =>
          net.g.MaxPool(net.g.Conv(y, net.weight("w", [4, 3, 1, 1]), net.weight("b", [4])), { kernel_shape: [1, 1] }),
      ],
    ];
    for (const [reason, branch] of refusals) {
      const groups = analyse(withBranch(branch).graph);
      expect(whyNotWhole(groups, ["inner"])).toMatch(reason);
      expect(() => cut(groups.graph, groups, allOf(groups, "inner"))).toThrow(
        /all 3 units of group "inner"; at least one must stay: /,
      );
    }
  });

  it("does not depend on the batch of the trace: one image of one pixel is not told from all", () => {
    const net = tinyNet([1, 4, 1, 1]);
    const inner = net.g.Relu(net.g.Conv(net.x, net.weight("inner", [3, 4, 1, 1])));
    const worked = net.g.Conv(inner, net.weight("w", [4, 3, 1, 1]), net.weight("b", [4]));
    const graph = net.finish(net.g.Conv(net.g.Concat(worked, net.x, { axis: 1 }), net.weight("v", [4, 8, 1, 1])));
    const open = { ...graph, inputs: [{ ...graph.inputs[0]!, shape: ["N", 4, 1, 1] }] };
    for (const batch of [1, 2]) expect(whyNotWhole(analyse(open, { batch }), ["inner"])).toMatch(/Concat .* in full/);
  });
});

describe("networks", () => {
  it("a chain keeps a unit of every layer", () => {
    const groups = analyse(normalise(loadModel(readNetModel("mlp")).graph));
    expect(groups.groups.length).toBe(3);
    expect(new Set(floorsOf(groups, { minUnits: 0 }).values())).toEqual(new Set([1]));
    for (const { name } of groups.groups)
      expect(whyNotWhole(groups, [name])).toMatch(/would not depend on any input|of a constant/);
  });

  it.each([
    ["transformer", ["attention.qkv.weight#2", "up.weight"]],
    ["mixer", ["tokens.0.weight", "channels.0.weight"]],
    ["dense", ["1.layers.0.2.weight", "1.layers.1.2.weight", "1.layers.2.2.weight"]],
    ["inception", ["1.one.0.weight", "1.three.1.0.weight", "1.padded.1.0.weight"]],
    ["gate", ["1.down.weight", "3.down.weight"]],
    ["float16", ["1.body.0.0.weight", "2.body.0.0.weight"]],
  ])("%s: parts of it go as a whole, and what is left is proved, at every batch", async (net, names) => {
    const loaded = loadModel(readNetModel(net));
    const model = { ...loaded, graph: normalise(loaded.graph) };
    for (const batch of [1, 3]) {
      const groups = analyse(model.graph, { batch });
      const removal = allOf(groups, ...names);
      expect([...removal.keys()]).toEqual(names);
      const proof = await prove(directRuntime, model, groups, removal, { threads: 1 });
      assertProved(proof);
      const small = cut(model.graph, groups, removal).graph;
      expect(small.nodes.length).toBeLessThan(model.graph.nodes.length);
      const left = analyse(small, { batch }).groups.map(({ name }) => name);
      expect(left.every((name) => !names.includes(name) && groups.groups.some((group) => group.name === name))).toBe(
        true,
      );
    }
  });

  it("branches that are joined go one by one, the last of them stays", () => {
    const net = tinyNet([2, 4, 5, 5]);
    const branch = (name: string): Value => net.g.Relu(net.g.Conv(net.x, net.weight(name, [3, 4, 1, 1])));
    const joined = net.g.Concat(branch("one"), branch("two"), branch("three"), { axis: 1 });
    const groups = analyse(net.finish(net.g.Conv(joined, net.weight("w", [4, 9, 1, 1]))));
    expect(whyNotWhole(groups, ["one", "three"])).toBeUndefined();
    expect(whyNotWhole(groups, ["one", "two", "three"])).toMatch(/output .* would not depend on any input/);
    const floors = floorsOf(groups, { minUnits: 0 });
    const skewed = new Map([
      ["one", [1, 2, 3]],
      ["two", [7, 8, 9]],
      ["three", [4, 5, 6]],
    ]);
    const left = (removal: ReadonlyMap<string, readonly number[]>) =>
      groups.groups.map(({ name, units }) => units.length - (removal.get(name)?.length ?? 0));
    expect(left(selectStep(groups, skewed, 100, { units: 0 }, { floors }).removal)).toEqual([0, 1, 0]);
    const shares = new Map(["one", "two", "three"].map((name) => [name, 1]));
    expect(left(selectShare(groups, skewed, { ratio: 0, scope: "local", floors, ratios: shares }))).toEqual([0, 1, 0]);
  });

  const shared = fileURLToPath(new URL("../../../shared/data/models/resnet20-cifar10.onnx", import.meta.url));
  const trained = process.env["SECATEUR_MODELS"] ? `${process.env["SECATEUR_MODELS"]}/resnet20-cifar10.onnx` : shared;
  it.skipIf(!existsSync(trained))(
    "a block of the trained ResNet-20 (skipped where SECATEUR_MODELS has none)",
    async () => {
      const loaded = loadModel(readFileSync(trained));
      const model = { ...loaded, graph: normalise(loaded.graph) };
      const groups = analyse(model.graph);
      const removal = allOf(groups, "layer1.1.conv1.weight", "layer3.2.conv1.weight");
      assertProved(await prove(directRuntime, model, groups, removal, { threads: 1 }));
      const small = cut(model.graph, groups, removal).graph;
      // Of Conv, BatchNormalization, Relu, Conv, BatchNormalization nothing is left.
      expect(small.nodes.length).toBe(model.graph.nodes.length - 2 * 5);
      const { params } = costsOf(trace(model.graph));
      const block = (width: number) => 2 * (width * width * 9 + 2 * width);
      expect(costsOf(trace(small)).params).toBe(params - block(16) - block(64) + 16 + 64);
    },
  );
});

const resnet = newModel("resnet20", { classes: 10, input: [3, 8, 8], seed: 1 });
/** Weights and statistics that are not those of a net that has learned nothing, so that shifts count. */
const graph = ((): Graph => {
  const prepared = prepare(resnet);
  const next = random(9);
  const initializers = new Map(
    [...prepared.initializers].map(([name, value]): [string, Tensor] =>
      value.dtype === "float32" && value.shape.length === 1
        ? [
            name,
            tensor(
              "float32",
              value.shape,
              Array.from(value.data as Float32Array, (x) => Number(x) + next() * 0.2),
            ),
          ]
        : [name, value],
    ),
  );
  return { ...prepared, initializers };
})();
const found = analyse(graph);
const zeroFloors = floorsOf(found, { minUnits: 0 });
const importances = drawn(found, 4);

const bytesOf = (one: Graph): string =>
  createHash("sha256")
    .update(encodeModel(withGraph(resnet, one)))
    .digest("hex");

describe("choosing", () => {
  it("keeps a unit of what cannot go, and of what a pattern or a share names", () => {
    expect([...zeroFloors].filter(([, floor]) => floor > 0)).toEqual([["conv1.weight", 1]]);
    const given = floorsOf(found, { minUnits: 0, keep: ["layer1.0.*"], ratios: new Map([["layer1.1.*", 0.5]]) });
    expect([given.get("layer1.0.conv1.weight"), given.get("layer1.1.conv1.weight")]).toEqual([16, 8]);
    expect(given.get("layer1.2.conv1.weight")).toBe(0);
  });

  const targets: readonly Budget[] = [{ macs: 0.2 }, { params: 0.1 }, { bytes: 0.3 }, { units: 0.15 }, { units: 0 }];
  it.each(targets)("%o: costs are those of the cut model, and it is reached", (share) => {
    const target = share.units === 0 ? share : absoluteBudget(graph, share);
    for (const choice of [{}, { scope: "isomorphic" }, { scope: "local" }, { per: "macs" }, { roundTo: 16 }] as const) {
      const { removal, costs, units, met } = selectStep(found, importances, 1e6, target, {
        ...choice,
        floors: zeroFloors,
      });
      const small = cut(graph, found, removal).graph;
      const left = analyse(small);
      const { macs, params } = costsOf(trace(small));
      expect([macs, params]).toEqual([costs.macs, costs.params]);
      // Sizes that several nodes share become their own.
      expect(Math.abs(costsOf(trace(small)).bytes - costs.bytes)).toBeLessThan(100);
      expect(left.groups.reduce((n, group) => n + group.units.length, 0)).toBe(units);
      if (share.units !== 0 && !("roundTo" in choice)) expect(met).toBe(true);
      if ("roundTo" in choice) for (const group of left.groups) expect(group.units.length % 16).toBe(0);
      // A single channel is not told from a single sample, so that nothing is left to choose from.
      if (share.units === 0) expect(left.groups.filter(({ name }) => name !== "conv1.weight")).toEqual([]);
    }
  });

  it("takes whole groups in shares too, never all that hangs together", () => {
    const skewed = new Map([...importances].map(([name, values], i) => [name, values.map((value) => value + i)]));
    const removal = selectShare(found, skewed, { ratio: 0.9, scope: "global", floors: zeroFloors });
    const wholes = found.groups.filter(({ name, units }) => removal.get(name)?.length === units.length);
    expect(wholes.length).toBeGreaterThan(5);
    expect(() => cut(graph, found, removal)).not.toThrow();
    const ofOne = selectShare(found, importances, {
      ratio: 0,
      scope: "local",
      floors: zeroFloors,
      ratios: new Map([
        ["layer1.0.conv1.weight", 1],
        ["conv1.weight", 1],
      ]),
    });
    expect([...ofOne].map(([name, units]) => [name, units.length])).toEqual([
      ["conv1.weight", 15],
      ["layer1.0.conv1.weight", 16],
    ]);
  });

  it("without the permission a unit stays everywhere", () => {
    const { removal } = selectStep(found, importances, 1e6, { units: 0 });
    expect(found.groups.every(({ name, units }) => removal.get(name)!.length === units.length - 1)).toBe(true);
  });
});

describe("groups that go one after the other", () => {
  it("keep their names, and are one removal in the numbering of the start", async () => {
    // The shortcut of this block adds no channels of its own: they are named after its second convolution.
    const names = ["layer2.0.conv1.weight", "layer1.1.conv1.weight", "layer3.0.conv1.weight"];
    let smaller = graph;
    const removals = names.map((name, i) => {
      const groups = analyse(smaller);
      const few = new Map([...allOf(groups, name), ["layer2.0.conv2.weight", [i]]]);
      smaller = cut(smaller, groups, few).graph;
      return few;
    });
    const left = analyse(smaller).groups.map(({ name }) => name);
    expect(left).toEqual(found.groups.map(({ name }) => name).filter((name) => !names.includes(name)));
    const once = cut(graph, found, composed(found, removals)).graph;
    expect(costsOf(trace(once))).toEqual(costsOf(trace(smaller)));
    const inOrder = (one: Graph) => bytesOf({ ...one, initializers: new Map([...one.initializers].toSorted()) });
    expect(inOrder(once)).toBe(inOrder(smaller));
    expect(bytesOf(replay(graph, removals).graph)).toBe(bytesOf(smaller));
    assertProved(await prove(directRuntime, { ...resnet, graph }, found, composed(found, removals), { threads: 1 }));
  });
});

describe("learning", () => {
  const model = loadModel(readNetModel("residual-conv"));
  const start = prepare(model);
  const data = randomDataset(start, { samples: 32, labels: 5 });
  const learn = { loss: "cross-entropy", batchSize: 8, seed: 5, threads: 1 } as const;
  const prune = (from?: PrunePoint, onPoint?: (point: PrunePoint) => Promise<void>) =>
    pruneLoop(directRuntime, start, data, {
      ...learn,
      optimiser: { kind: "sgd", momentum: 0.9 },
      criterion: findCriterion("taylor-fo"),
      target: absoluteBudget(start, { units: 0.2 }),
      limits: { minUnits: 0 },
      roundTo: 4,
      learningRate: 0.01,
      every: 1,
      unitsPerStep: 8,
      from,
      onPoint,
    });

  it("goes on with what is left, the same from every checkpoint", laws, async () => {
    const points: PrunePoint[] = [];
    const result = await prune(undefined, async (point) => void points.push(point));
    expect(result.end).toBe("met");
    expect(costsOf(trace(result.graph))).toEqual(result.costs);
    const groups = analyse(start);
    const removal = composed(groups, result.removals);
    const wholes = groups.groups.filter(({ name, units }) => removal.get(name)?.length === units.length);
    expect(wholes.length).toBeGreaterThan(0);
    assertProved(await prove(directRuntime, { ...model, graph: start }, groups, removal, { threads: 1 }));
    for (const point of points.slice(0, -1)) {
      const stored = decodeCheckpoint(Buffer.concat(encodeCheckpoint({ point, note: {} })), start, "checkpoint");
      const again = await prune(stored.point as PrunePoint);
      expect(bytesOf(again.graph)).toBe(bytesOf(result.graph));
    }
    const tuned = await finetune(directRuntime, result.graph, data, {
      ...learn,
      epochs: 2,
      learningRate: 0.05,
      warmUp: 0,
    });
    const constants = [...result.graph.initializers].filter(
      ([name, { dtype }]) => !start.initializers.has(name) && dtype === "float32",
    );
    expect(constants.length).toBeGreaterThan(0);
    // What a block has left learns as any bias does.
    for (const [name, { data: before }] of constants) expect(tuned.initializers.get(name)!.data).not.toEqual(before);
  });
});
