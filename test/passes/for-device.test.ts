/** What is written otherwise for a device is the same; the CPU can tell. */

import { describe, expect, it } from "vitest";
import { sizeOf, type Shape, type Tensor } from "../../src/graph/tensor.ts";
import type { Sample } from "../../src/ops/define.ts";
import { emitNode, valueIn } from "../../src/ops/emitter.ts";
import { ops } from "../../src/ops/table.ts";
import type { OpName } from "../../src/ops/names.ts";
import { forDevice } from "../../src/passes/for-device.ts";
import { difference, newBuilder, random, runGraph } from "../support/graphs.ts";

const isTensor = (x: Shape | Tensor): x is Tensor => !Array.isArray(x);

function write(name: string, { inputs, attributes = {}, outputs = 1, range = [-1, 1] }: Sample, seed: number) {
  const builder = newBuilder();
  const next = random(seed);
  const feeds: Record<string, Tensor> = {};
  const values = inputs.map((input, i) => {
    if (input === null) return undefined;
    if (isTensor(input)) return valueIn(builder, builder.constant(input, `k${i}`));
    const [low, high] = range;
    const data = Float32Array.from({ length: sizeOf(input) }, () => low + next() * (high - low));
    feeds[`x${i}`] = { dtype: "float32", shape: input, data };
    return valueIn(builder, builder.input(`x${i}`, { dtype: "float32", shape: input }));
  });
  const found = emitNode(builder, name as OpName, values, attributes, outputs);
  return { graph: builder.finish(found.map((y) => y.name)), feeds };
}

describe("for webgpu", () => {
  const cases = [...ops.values()].flatMap((op) =>
    op.webgpu ? op.samples.map((sample, n) => [op.name, n, sample] as const) : [],
  );

  it.each(cases)("%s computes the same (sample %i)", async (name, n, sample) => {
    const { graph, feeds } = write(name, sample, n + 1);
    const fitting = forDevice(graph, "webgpu");
    const [plain, found] = [await runGraph(graph, feeds), await runGraph(fitting, feeds)];
    for (const { name: output } of graph.outputs) {
      expect(found[output]!.shape).toEqual(plain[output]!.shape);
      const { largest, range } = difference(plain[output]!, found[output]!);
      expect(largest).toBeLessThanOrEqual(1e-6 * Math.max(1, range));
    }
  });

  it("vectors are normalised as rows of one pixel, whatever their number", async () => {
    const { graph, feeds } = write(
      "BatchNormalization",
      { inputs: [[3, 4], [4], [4], [4], [4]], range: [0.5, 1.5] },
      1,
    );
    const open = { ...graph, inputs: graph.inputs.map((x) => (x.name === "x0" ? { ...x, shape: ["N", 4] } : x)) };
    const fitting = forDevice(open, "webgpu");
    expect(fitting.nodes.map(({ op }) => op)).toEqual(["Unsqueeze", "BatchNormalization", "Squeeze", "Identity"]);
    expect(await runGraph(fitting, feeds)).toEqual(await runGraph(graph, feeds));
  });

  it("images are left as they are, and so is all for other devices", () => {
    const inputs = [[2, 4, 3, 3], [4], [4], [4], [4]];
    const images = write("BatchNormalization", { inputs }, 1).graph;
    expect(forDevice(images, "webgpu").nodes).toEqual(images.nodes);
    const vectors = write("BatchNormalization", { inputs: [[3, 4], [4], [4], [4], [4]] }, 1).graph;
    for (const device of [undefined, "cpu", "cuda"]) expect(forDevice(vectors, device)).toBe(vectors);
  });

  it("what is not known to be right is refused", () => {
    const { graph } = write("BatchNormalization", { inputs: [[3, 4], [4], [4], [4], [4]] }, 1);
    const strange = { op: "Hardmax", domain: "", name: "", inputs: ["x0"], outputs: ["h"], attributes: {} };
    const nodes = [strange, ...graph.nodes.map((node) => ({ ...node, inputs: ["h", ...node.inputs.slice(1)] }))];
    expect(() => forDevice({ ...graph, nodes }, "webgpu")).toThrow(
      /^BatchNormalization .* cannot be computed on webgpu: the shape of "h" is not known$/,
    );
  });
});
