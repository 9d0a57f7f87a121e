/** What is written otherwise for a device is the same; the CPU can tell. */

import { describe, expect, it } from "vitest";
import type { Op, Sample } from "../../src/ops/core/define.ts";
import { ops } from "../../src/ops/table.ts";
import { forDevice } from "../../src/passes/for-device.ts";
import { difference, openSample, runGraph } from "../support/graphs.ts";

function write(op: Pick<Op, "key">, sample: Sample, seed: number) {
  const { builder, outputs, feeds } = openSample(op, sample, seed);
  return { graph: builder.finish(outputs.map(({ name }) => name)), feeds };
}

const normalisation = { key: "BatchNormalization" };

describe.each(["webgpu", "cuda"])("for %s", (device) => {
  const cases = [...ops.values()].flatMap((op) =>
    op.deviceFallback ? op.samples.map((sample, n) => [op.name, n, sample, op] as const) : [],
  );

  it.each(cases)("%s computes the same (sample %i)", async (_name, n, sample, op) => {
    const { graph, feeds } = write(op, sample, n + 1);
    const fitting = forDevice(graph, device);
    const [plain, found] = [await runGraph(graph, feeds), await runGraph(fitting, feeds)];
    for (const { name: output } of graph.outputs) {
      expect(found[output]!.shape).toEqual(plain[output]!.shape);
      const { largest, range } = difference(plain[output]!, found[output]!);
      expect(largest).toBeLessThanOrEqual(1e-6 * Math.max(1, range));
    }
  });

  it("what BatchNormalization has no kernel for there is written by others, statistics and all", () => {
    const attributes = { training_mode: 1 };
    const { graph } = write(normalisation, { inputs: [[3, 4], [4], [4], [4], [4]], attributes, outputs: 3 }, 1);
    const fitting = forDevice(graph, device).nodes.filter(({ op }) => op === "BatchNormalization");
    expect(fitting.map((node) => node.attributes["training_mode"]?.value ?? 0)).toEqual([0]);
  });

  it.each(["LayerNormalization", "RMSNormalization"])("%s has a scale for each element that it normalises", (name) => {
    const scalesOf = (scale: number[]) => {
      const { graph } = write({ key: name }, { inputs: [[2, 3, 4], scale], attributes: { axis: 1 } }, 1);
      const { nodes, initializers } = forDevice(graph, device);
      return nodes
        .filter(({ op }) => op === name)
        .map(({ inputs }) => initializers.get(inputs[1]!)?.shape ?? inputs[1]);
    };
    expect(scalesOf([3, 4])).toEqual(["x1"]);
    for (const scale of [[4], [3, 1], [1, 3, 4], [2, 3, 4]]) expect(scalesOf(scale)).toEqual([[3, 4]]);
  });
});

describe("for webgpu alone", () => {
  it("vectors are normalised as rows of one pixel, whatever their number", async () => {
    const { graph, feeds } = write(normalisation, { inputs: [[3, 4], [4], [4], [4], [4]], range: [0.5, 1.5] }, 1);
    const open = { ...graph, inputs: graph.inputs.map((x) => (x.name === "x0" ? { ...x, shape: ["N", 4] } : x)) };
    const fitting = forDevice(open, "webgpu");
    expect(fitting.nodes.map(({ op }) => op)).toEqual(["Unsqueeze", "BatchNormalization", "Squeeze", "Identity"]);
    expect(await runGraph(fitting, feeds)).toEqual(await runGraph(graph, feeds));
  });

  it("images are left as they are, and so is all for other devices", () => {
    const inputs = [[2, 4, 3, 3], [4], [4], [4], [4]];
    const images = write(normalisation, { inputs }, 1).graph;
    expect(forDevice(images, "webgpu").nodes).toEqual(images.nodes);
    const vectors = write(normalisation, { inputs: [[3, 4], [4], [4], [4], [4]] }, 1).graph;
    for (const device of [undefined, "cpu"]) expect(forDevice(vectors, device)).toBe(vectors);
    expect(forDevice(vectors, "cuda").nodes).toEqual(vectors.nodes);
  });

  it("what is not known to be right is refused", () => {
    const { graph } = write(normalisation, { inputs: [[3, 4], [4], [4], [4], [4]] }, 1);
    const strange = { op: "Hardmax", domain: "", name: "", inputs: ["x0"], outputs: ["h"], attributes: {} };
    const nodes = [strange, ...graph.nodes.map((node) => ({ ...node, inputs: ["h", ...node.inputs.slice(1)] }))];
    expect(() => forDevice({ ...graph, nodes }, "webgpu")).toThrow(
      /^BatchNormalization .* cannot be computed on webgpu: the shape of "h" is not known$/,
    );
  });
});
