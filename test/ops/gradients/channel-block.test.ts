import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import { sizeOf, tensor, type Shape } from "../../../src/graph/tensor.ts";
import { createEmitter } from "../../../src/ops/emitter.ts";
import { directRuntime } from "../../../src/runtime/onnxruntime-node.ts";
import { channelBlockOf } from "../../../src/execute/channel-block.ts";
import { finishGraph } from "../../../src/objective/backward.ts";
import type { Runtime } from "../../../src/runtime/port.ts";
import { executable } from "../../../src/execute/executable.ts";
import { processors } from "../../support/processors.ts";

interface Case {
  readonly X: Shape;
  readonly W: Shape;
  readonly B?: boolean;
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** Whether a plain convolution is kept. */
  readonly plain?: boolean;
}

const casesOf = (b: number): Readonly<Record<string, Case>> => ({
  "whole blocks": { X: [2, b, 7, 5], W: [2 * b, b, 3, 3], attributes: { pads: [1, 1, 1, 1] } },
  "blocks to be filled": { X: [2, 2 * b - 3, 6, 6], W: [2 * b - 1, 2 * b - 3, 3, 3], B: true },
  "a last block that begins with a multiple of four channels": {
    X: [2, 2 * b - 4, 6, 5],
    W: [b, 2 * b - 4, 3, 3],
    attributes: { pads: [1, 0, 1, 2] },
  },
  "the same depthwise": { X: [2, 2 * b - 4, 6, 6], W: [2 * b - 4, 1, 3, 3], attributes: { group: 2 * b - 4 } },
  "fewer channels than a block": { X: [3, 3, 9, 8], W: [b, 3, 3, 2], B: true, attributes: { strides: [2, 1] } },
  "strides, dilations and uneven pads": {
    X: [1, b, 11, 12],
    W: [b, b, 3, 3],
    attributes: { strides: [2, 3], dilations: [2, 1], pads: [2, 0, 1, 3] },
  },
  "padding by name": { X: [2, b, 8, 7], W: [b, b, 3, 3], attributes: { auto_pad: "SAME_UPPER", strides: [2, 2] } },
  depthwise: { X: [2, b, 6, 6], W: [b, 1, 3, 3], attributes: { group: b, pads: [1, 1, 1, 1] } },
  "depthwise to be filled": { X: [2, 2 * b - 2, 6, 6], W: [2 * b - 2, 1, 3, 3], attributes: { group: 2 * b - 2 } },
  "groups that are not depthwise": { X: [1, 2 * b, 5, 5], W: [2 * b, b, 3, 3], attributes: { group: 2 }, plain: true },
  "kernels of 1x1": { X: [1, b, 5, 5], W: [b, b, 1, 1], plain: true },
  "too much to fill": { X: [1, b + 1, 5, 5], W: [b + 1, b + 1, 3, 3], plain: true },
  "one spatial axis": { X: [2, b, 9], W: [b, b, 3], plain: true },
});

const ramp = (shape: Shape, step: number) =>
  tensor(
    "float32",
    shape,
    Float64Array.from({ length: sizeOf(shape) }, (_, i) => ((i * step) % 31) / 31 - 0.5),
  );

function write({ X, W, B, attributes = {} }: Case, size: number | undefined): Graph {
  const shapes: Record<string, Shape> = { X, W, ...(B && { B: [W[0]!] }) };
  const inputs = Object.entries(shapes).map(([name, shape]) => ({ name, dtype: "float32" as const, shape }));
  const empty: Graph = { name: "", nodes: [], inputs, outputs: [], initializers: new Map(), info: new Map(), doc: "" };
  const builder = new GraphBuilder(empty, new Map(inputs.map(({ name, ...type }) => [name, type])));
  const Y = createEmitter(builder).Conv(...inputs, attributes);
  return finishGraph(builder, [Y.name], { block: size });
}

async function run(runtime: Runtime, graph: Graph): Promise<Float32Array> {
  const session = await runtime.load(executable(graph), { threads: 1 });
  try {
    const feeds = Object.fromEntries(graph.inputs.map(({ name, shape }, i) => [name, ramp(shape as Shape, 7 + 4 * i)]));
    return Object.values(await session.run(feeds))[0]!.data as Float32Array;
  } finally {
    await session.dispose();
  }
}

/** This machine's own kernels, whichever they are, and those of other processors. */
const own = { name: "this machine", runtime: directRuntime, block: await channelBlockOf(directRuntime) };

describe.each([own, ...processors].flatMap((one) => (one.block ? [{ ...one, block: one.block }] : [])))(
  "Conv in blocks of channels: $name",
  ({ runtime, block }) => {
    it.each(Object.entries(casesOf(block)))("Conv: %s: the same as a plain one", async (_, one) => {
      const graph = write(one, block);
      expect(graph.nodes.some(({ domain }) => domain !== "")).toBe(one.plain !== true);
      const [plain, blocked] = [await run(directRuntime, write(one, undefined)), await run(runtime, graph)];
      expect(blocked).toHaveLength(plain.length);
      expect(Math.max(...plain.map((value, i) => Math.abs(value - blocked[i]!)))).toBeLessThan(2e-5);
    });
  },
);

describe("blocks of channels", () => {
  it.runIf(process.arch === "x64")("Conv: every x64 processor has some, of 8 or of 16", () => {
    expect([8, 16]).toContain(own.block);
  });

  it.each(processors)("Conv: are found by trying: $name", async ({ runtime, block }) => {
    expect(await channelBlockOf(runtime)).toBe(block);
  });
});
