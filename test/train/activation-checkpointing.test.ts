/** Steps of training in less memory: what is computed twice gives what it gave when it was kept, bit for bit. */

import { describe, expect, it } from "vitest";
import type { Graph, Node } from "../../src/graph/graph.ts";
import { namesOf } from "../../src/graph/names.ts";
import { sizeOf, tensor, type Tensor } from "../../src/graph/tensor.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { recompute } from "../../src/passes/recompute.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { sharingOf } from "../../src/train/engine.ts";
import { sizesOf, type RecomputedStep } from "../../src/train/activation-checkpointing.ts";
import { capabilitiesOf } from "../../src/execute/capabilities.ts";
import { dataParallelGraphs, threadsPerWorker } from "../../src/train/data-parallel.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { executable } from "../../src/execute/executable.ts";
import { stepGraph, type StepGraph, type StepOptions } from "../../src/train/step.ts";
import { classesIn } from "../../src/objective/objective.ts";
import { openTrainer } from "../../src/train/trainer.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { random } from "../support/graphs.ts";
import { readNetModel } from "../support/reference.ts";
import { laws } from "../support/laws.ts";

const netOf = (name: string): Graph => prepare(loadModel(readNetModel(name)));

/** The graph with a Dropout behind every node of some operators. */
function dropping(graph: Graph, behind: ReadonlySet<string>): Graph {
  const taken = namesOf(graph);
  const ratio = taken.fresh("ratio");
  const renamed = new Map<string, string>();
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const reading = { ...node, inputs: node.inputs.map((name) => renamed.get(name) ?? name) };
    if (!behind.has(node.op)) return [reading];
    const output = taken.fresh(`${node.outputs[0]}/dropped`);
    const dropout = {
      op: "Dropout",
      domain: "",
      name: "",
      inputs: [node.outputs[0]!, ratio],
      outputs: [output],
      attributes: {},
    };
    renamed.set(node.outputs[0]!, output);
    return [reading, dropout];
  });
  return { ...graph, nodes, initializers: new Map([...graph.initializers, [ratio, tensor("float32", [], [0.25])]]) };
}

/** With the share of the activations that is kept, with one worker and with two: gradients that leave a worker cannot be let go. */
const nets: readonly (readonly [string, Graph, number, number])[] = [
  ["resnet20", prepare(newModel("resnet20", { classes: 5, input: [3, 16, 16], seed: 1 })), 0.8, 0.8],
  ["a net of depthwise convolutions", netOf("mobilenet-v3"), 0.85, 0.85],
  ["a transformer with Dropout", dropping(netOf("transformer"), new Set(["Softmax", "Erf"])), 0.85, 0.85],
  ["lstm", netOf("lstm"), 0.68, 0.945],
];

const options = {
  batch: 4,
  loss: "cross-entropy",
  optimiser: { kind: "adamw", weightDecay: 0.1 },
  clip: 1,
  ema: 0.9,
  labelSmoothing: 0.1,
  threads: 1,
} as const;

function feedsOf({ graph, carried, objective }: StepGraph): Record<string, Tensor> {
  const next = random(5);
  const classes = classesIn(objective);
  return Object.fromEntries(
    graph.inputs.map(({ name, dtype, shape }): [string, Tensor] => {
      const sizes = shape as number[];
      const values = Array.from({ length: sizeOf(sizes) }, () => next());
      if (carried.has(name)) return [name, carried.get(name)!];
      if (dtype === "int64")
        return [
          name,
          tensor(
            dtype,
            sizes,
            values.map((x) => Math.floor(x * classes)),
          ),
        ];
      return [name, tensor(dtype as "float32", sizes, sizes.length === 0 ? [1] : values)];
    }),
  );
}

async function run(
  { graph }: Pick<StepGraph, "graph">,
  feeds: Record<string, Tensor>,
): Promise<Record<string, Tensor>> {
  const session = await directRuntime.load(executable(graph), { threads: 1, optimise: false });
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

const isLong = (name: string): boolean => name === "resnet20";

describe.each(nets)("%s", (name, net) => {
  it("learns the same with less alive", isLong(name) ? laws : {}, async () => {
    const step = stepGraph(net, { ...options, capabilities: await capabilitiesOf(directRuntime, 1) });
    const sharing = sharingOf(step);
    const { activations: kept } = sizesOf(step, sharing);
    const results = await run(step, feedsOf(step));
    for (const share of [0.8, 0]) {
      const found = recompute(step.graph, step.types, share * kept, sharing.elsewhere);
      expect(found.repeated).toBeGreaterThan(0);
      expect(found.activations).toBeLessThan(kept);
      expect(await run(found, feedsOf(step))).toEqual(results);
    }
  });
});

const batchOf = (graph: Graph, size: number) => {
  const next = random(2);
  const shape = [size, ...(graph.inputs[0]!.shape!.slice(1) as number[])];
  const x = tensor(
    "float32",
    shape,
    Array.from({ length: sizeOf(shape) }, () => next() * 2 - 1),
  );
  const target = tensor(
    "int64",
    [size],
    Array.from({ length: size }, (_, i) => i % 2),
  );
  return { inputs: { "": x }, target, size };
};

const learning = { ...options, batch: 8, needs: ["gates"] } as const;

async function learn(net: Graph, more: Partial<StepOptions>) {
  const told: RecomputedStep[] = [];
  await using trainer = await openTrainer(directRuntime, net, {
    ...learning,
    onRecompute: (one) => told.push(one),
    ...more,
  });
  const results = [];
  for (const step of [0, 1, 2]) results.push(await trainer.step(batchOf(net, 8), 0.01, step));
  return { told, results, state: await trainer.state() };
}

const whole = (worker: StepGraph) => ({ worker, sharing: sharingOf(worker) });

describe("a trainer", () => {
  const cases = nets.flatMap(([name, net, ...shares]) =>
    shares.map((share, i) => ({ name, workers: i + 1, net, share })),
  );
  for (const { name, workers, net, share } of cases)
    it(
      `below a size learns the same, byte for byte: ${name}, ${workers} workers`,
      isLong(name) ? laws : {},
      async () => {
        const capabilities = await capabilitiesOf(
          directRuntime,
          threadsPerWorker(directRuntime, learning.threads, workers),
        );
        const all = { ...learning, workers, capabilities };
        const { worker, sharing } = workers > 1 ? dataParallelGraphs(net, all) : whole(stepGraph(net, all));
        const { fixed, moving } = sizesOf(worker, sharing);
        const kept = await learn(net, { workers });
        expect(kept.told).toEqual([]);
        expect((await learn(net, { workers, memory: fixed + moving })).told).toEqual([]);
        const memory = fixed + share * moving;
        const { told, ...less } = await learn(net, { workers, memory });
        expect(told).toHaveLength(1);
        expect(told[0]!.kept).toBeCloseTo(fixed + moving, 0);
        expect(told[0]!.expected).toBeLessThanOrEqual(memory);
        expect(told[0]!.nodes).toBeGreaterThan(0);
        expect({ told: [], ...less }).toEqual(kept);
        await expect(learn(net, { workers, memory: fixed })).rejects.toThrow(
          /^a step of training takes about 0\.\d\d GB, even with activation checkpointing; `memory` allows less: raise `memory`, or lower `batchSize`$/,
        );
      },
    );
});
