/** The loss where nobody has said it: what fits each output of a model. */

import { describe, expect, it } from "vitest";
import { lossFor } from "../../src/jobs/fitting-loss.ts";
import { compare } from "../../src/jobs/compare.ts";
import { evaluate } from "../../src/jobs/evaluate.ts";
import { prune } from "../../src/jobs/prune.ts";
import type { Batch, Dataset } from "../../src/data/batches.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { int64s, toNumbers, type Tensor } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/core/define.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { randomDataset } from "../support/datasets.ts";
import { modelOf, runGraph } from "../support/graphs.ts";
import { linear, netOf } from "../support/heads.ts";

const heads = netOf((net, hidden) => ({
  boxes: net.g.Mul(net.g.Tanh(linear(net, hidden, "boxes", 4)), net.g.scalar(30)),
  scores: net.g.Sigmoid(linear(net, hidden, "scores", 3)),
  kinds: net.g.Softmax(linear(net, hidden, "kinds", 5), { axis: 1 }),
  best: net.g.ArgMax(linear(net, hidden, "best", 5), { axis: 1, keepdims: 0 }),
  still: net.g.Mul(linear(net, hidden, "still", 2), net.g.scalar(0)),
  turned: net.g.Transpose(linear(net, hidden, "turned", 2), { perm: [1, 0] }),
}));

const detector = netOf((net, hidden) => ({
  scores: net.g.Sigmoid(linear(net, hidden, "scores", 3)),
  boxes: linear(net, hidden, "boxes", 4),
}));

const picked = netOf((net, hidden) => ({
  best: net.g.ArgMax(linear(net, hidden, "best", 5), { axis: 1, keepdims: 0 }),
  boxes: linear(net, hidden, "boxes", 4),
}));

const unlabelled = (data: Dataset): Dataset["batches"] =>
  async function* (options) {
    for await (const { inputs, size } of data.batches(options)) yield { inputs, size };
  };

async function fitting(graph: Graph, targets: "labels" | "sampled" | "teacher" = "teacher") {
  const notes: string[] = [];
  const data = randomDataset(graph, { samples: 16 });
  const asked = { targets, data, batchSize: 8, threads: 1, onNote: (text: string) => void notes.push(text) };
  return { loss: await lossFor(directRuntime, graph, asked), notes };
}

async function firstOf(data: Dataset, batchSize: number): Promise<Batch[]> {
  const found: Batch[] = [];
  for await (const batch of data.batches({ batchSize, limit: 1 })) found.push(batch);
  return found;
}

function varianceOf(value: Tensor): number {
  const values = toNumbers(value);
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  return values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / values.length;
}

/** A data set whose labels are of something else than the model gives. */
function labelledOtherwise(): Dataset {
  const data = randomDataset(detector, { samples: 64 });
  return {
    ...data,
    async *batches(options) {
      for await (const { inputs, size } of data.batches(options))
        yield { inputs, size, target: int64s(Array.from({ length: size }, (_, i) => i % 3)) };
    },
  };
}

it("models are compared output by output where the labels of the data do not fit, and a note says so", async () => {
  const [model, notes] = [modelOf(detector), [] as string[]];
  const { data } = await compare(model, model, {
    data: labelledOtherwise(),
    threads: 1,
    runtime: directRuntime,
    onNote: (text) => void notes.push(text),
  });
  expect([Object.keys(data!.outputs!), data!.agreement]).toEqual([["scores", "boxes"], 1]);
  expect(notes[0]).toMatch(/^the loss is left out: the target in the data is int64 \[64\]; the loss takes float32/);
});

it("labels of the data are left alone where a net learns from the original", async () => {
  const data = labelledOtherwise();
  const { before, after } = await prune(modelOf(detector), {
    data,
    validation: data,
    targets: "teacher",
    loss: { boxes: "l1" },
    budget: { units: 8 },
    epochs: 0,
    batchSize: 16,
    threads: 1,
    runtime: directRuntime,
  });
  expect([before.evaluation!.agreement, after.evaluation!.agreement]).toEqual([1, expect.any(Number)]);
});

describe("the loss of auto", () => {
  it("is cross-entropy of labels, or bce where the first output ends in a Sigmoid", async () => {
    expect(await fitting(heads, "labels")).toEqual({ loss: "cross-entropy", notes: [] });
    expect(await fitting(detector, "labels")).toEqual({ loss: "bce", notes: [] });
    expect(await fitting(picked, "labels")).toEqual({ loss: { kind: "cross-entropy", output: "boxes" }, notes: [] });
  });

  it("lets a model whose first output ends in a Sigmoid be compared without labels", async () => {
    const data = randomDataset(detector, { samples: 16 });
    const model = modelOf(detector);
    const given = { data: { ...data, batches: unlabelled(data) }, threads: 1, runtime: directRuntime };
    const { data: found } = await compare(model, model, given);
    expect(Object.keys(found!.outputs!)).toEqual(["scores", "boxes"]);
    expect(found!.drop).toBe(0);
  });

  it("lets a model whose first output is no classes be compared without labels", async () => {
    const data = randomDataset(picked, { samples: 16 });
    const model = modelOf(picked);
    const given = { data: { ...data, batches: unlabelled(data) }, threads: 1, runtime: directRuntime };
    const { data: found } = await compare(model, model, given);
    expect(Object.keys(found!.outputs!)).toEqual(["best", "boxes"]);
    expect(found!.agreement).toBe(1);
    await expect(compare(model, model, { ...given, loss: "cross-entropy" })).rejects.toThrow(
      /cross-entropy is put on "best", which holds int64 and not floats; "boxes" does, by `loss: .*"output": "boxes"/,
    );
  });

  it("leaves numbers alone that are the same but for rounding, too large, or not finite", async () => {
    const net = netOf((net, hidden) => {
      const { g } = net;
      const of = (name: string): Value => linear(net, hidden, name, 3);
      return {
        boxes: of("boxes"),
        still: g.ReduceSum(g.Softmax(of("still"), { axis: 1 }), g.ints([1]), { keepdims: 1 }),
        large: g.Mul(of("large"), g.scalar(1e25)),
        endless: g.Log(g.Mul(of("endless"), g.scalar(0))),
      };
    });
    const { loss, notes } = await fitting(net);
    expect(loss).toEqual([expect.objectContaining({ kind: "mse", output: "boxes" })]);
    expect(notes[0]).toMatch(/"still" is left alone, as it is the same everywhere; "large" .* too large/);
    expect(notes[0]).toMatch(/"endless" is left alone, as it holds numbers that are not finite$/);
  });

  it.each(["sampled", "teacher"] as const)("fits each output where targets are %s, and says how", async (targets) => {
    const { loss, notes } = await fitting(heads, targets);
    const [first] = await firstOf(randomDataset(heads, { samples: 16 }), 8);
    const { boxes, scores, kinds } = await runGraph(heads, first!.inputs);
    // Eight samples are too few to know how often each of five classes comes.
    const [yes, rows] = [toNumbers(scores!), toNumbers(kinds!)];
    const mean = yes.reduce((sum, p) => sum + p, 0) / yes.length;
    const ofYes = yes.reduce((sum, p) => sum + p * Math.log(p / mean) + (1 - p) * Math.log((1 - p) / (1 - mean)), 0);
    const ofClasses = rows.reduce((sum, p) => sum + p * Math.log(5 * p), 0);
    expect(loss).toEqual([
      { kind: "mse", output: "boxes", weight: expect.closeTo(1 / varianceOf(boxes!), 6) },
      { kind: "bce", output: "scores", weight: expect.closeTo(yes.length / ofYes, 4) },
      { kind: "cross-entropy", output: "kinds", weight: expect.closeTo(8 / ofClasses, 4) },
    ]);
    expect(notes).toEqual([
      'outputs are compared with the original\'s: "boxes" by the squared difference of its numbers, over their variance; ' +
        '"scores" by its probabilities of yes and no, over their spread; "kinds" by the probabilities of its classes, ' +
        'over their spread; "best" is left ' +
        'alone, as it holds int64; "still" is left alone, as it is the same everywhere; "turned" is left alone, as its ' +
        "samples do not lie along its first axis ([2, 8])",
    ]);
  });

  it("takes a single linear output for classes, and one that ends in anything else for numbers", async () => {
    const classes = netOf((net, hidden) => ({ y: linear(net, hidden, "y", 5) }));
    expect((await fitting(classes)).loss).toBe("cross-entropy");
    const bounded = netOf((net, hidden) => ({ y: net.g.Tanh(linear(net, hidden, "y", 5)) }));
    expect((await fitting(bounded)).loss).toEqual([{ kind: "mse", output: "y", weight: expect.any(Number) }]);
    const norm = netOf((net, hidden) => {
      const y = linear(net, hidden, "y", 5);
      return { y: net.g.Div(y, net.g.ReduceL2(y, net.g.ints([1]), { keepdims: 1 })) };
    });
    expect((await fitting(norm)).loss).toEqual([{ kind: "mse", output: "y", weight: expect.any(Number) }]);
  });

  it("refuses a model of which nothing can be compared", async () => {
    const none = netOf((net, hidden) => ({
      best: net.g.ArgMax(linear(net, hidden, "best", 5), { axis: 1, keepdims: 0 }),
    }));
    await expect(fitting(none)).rejects.toThrow(
      'none of the model\'s outputs can be compared: "best" is left alone, as it holds int64',
    );
  });
});

it("a net with several heads is pruned without labels, and its heads stay near the original's", async () => {
  const model = modelOf(heads);
  const data = randomDataset(heads, { samples: 256 });
  const losses: number[] = [];
  const pruned = await prune(model, {
    data,
    targets: "teacher",
    budget: { units: 8 },
    epochs: 10,
    batchSize: 32,
    threads: 1,
    runtime: directRuntime,
    onEvent: (event) => {
      if (event.kind === "step" && event.phase === "finetune") losses.push(event.loss);
    },
  });
  expect(pruned.end).toBe("met");
  expect(pruned.model.graph.outputs.map(({ name }) => name)).toEqual(heads.outputs.map(({ name }) => name));
  expect(losses.at(-1)!).toBeLessThan(0.7 * losses[0]!);
});

it("a loss whose target the data does not have is refused where another target is there", async () => {
  const net = netOf((net, hidden) => ({
    logits: net.g.Reshape(linear(net, hidden, "logits", 6), net.g.ints([0, 2, 3])),
  }));
  const given = randomDataset(net, { samples: 16 });
  const tokens = { dtype: "int64", shape: [8, 2], data: new BigInt64Array(16).fill(1n) } as const;
  const batches: Dataset["batches"] = async function* (options) {
    for await (const { inputs, size } of given.batches(options)) yield { inputs, size, target: tokens };
  };
  const of = (name: string) =>
    evaluate(modelOf(net), {
      data: { ...given, batches },
      loss: { kind: "next-token", tokens: name },
      batchSize: 8,
      threads: 1,
      runtime: directRuntime,
    });
  await expect(of("words")).rejects.toThrow(/takes the target "words"; the data has one target without a name/);
  expect((await of("target")).loss).toBeGreaterThan(0);
});
