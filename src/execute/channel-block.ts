/**
 * How many channels a runtime's blocked convolutions take at a time; found by trying, as it depends on the processor.
 */

import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/graph.ts";
import { sizeOf, tensor, type Shape, type Tensor } from "../graph/tensor.ts";
import { createEmitter } from "../ops/emitter.ts";
import type { Device, ModelFiles, Runtime } from "../runtime/port.ts";
import { finishGraph } from "../objective/backward.ts";
import { once } from "./probe.ts";
import { executable } from "./executable.ts";

const candidates = [16, 8];

/** The block of channels of a runtime's kernels; `undefined` where it has none, as on all devices but the CPU. */
export async function channelBlockOf(runtime: Runtime, device: Device = "cpu"): Promise<number | undefined> {
  return device === "cpu" ? probe(runtime) : undefined;
}

const X = { name: "X", dtype: "float32", shape: [1, 32, 4, 4] } as const;
const W = { name: "W", dtype: "float32", shape: [48, 32, 3, 3] } as const;

/** A convolution whose kernel is an input, so that the runtime has no say in it. */
function example(block: number | undefined): ModelFiles {
  const inputs = [X, W];
  const empty: Graph = { name: "", nodes: [], inputs, outputs: [], initializers: new Map(), info: new Map(), doc: "" };
  const builder = new GraphBuilder(empty, new Map(inputs.map((input) => [input.name, input])));
  const Y = createEmitter(builder).Conv(X, W, { pads: [1, 1, 1, 1] });
  return executable(finishGraph(builder, [Y.name], { block }));
}

const ramp = (shape: Shape, step: number): Tensor =>
  tensor(
    "float32",
    shape,
    Float64Array.from({ length: sizeOf(shape) }, (_, i) => ((i * step) % 17) / 17 - 0.5),
  );

async function run(runtime: Runtime, block: number | undefined): Promise<Float32Array> {
  const session = await runtime.load(example(block), { threads: 1 });
  try {
    const results = await session.run({ X: ramp(X.shape, 7), W: ramp(W.shape, 5) });
    return Object.values(results)[0]!.data as Float32Array;
  } finally {
    await session.dispose();
  }
}

const probe = once(async (runtime: Runtime): Promise<number | undefined> => {
  const plain = await run(runtime, undefined);
  for (const block of candidates) {
    try {
      const blocked = await run(runtime, block);
      if (plain.every((value, i) => Math.abs(value - blocked[i]!) < 1e-4)) return block;
    } catch {
      // A runtime without these kernels does not load the graph; its plain ones do.
    }
  }
  return undefined;
});
