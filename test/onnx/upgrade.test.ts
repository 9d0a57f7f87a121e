/** Every upgrade step: the model in its old opset and the upgraded one compute the same bits. */

import { describe, expect, test } from "vitest";
import type { Graph } from "../../src/graph/graph.ts";
import { float32, tensor } from "../../src/graph/tensor.ts";
import { decodeModel } from "../../src/onnx/decode.ts";
import { encodeForRuntime, encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { internalOpset } from "../../src/onnx/upgrade.ts";
import { bn, bnInputs, cases, image, modelFor, two, type Case } from "./cases.ts";
import { f, feedsOf, graphOf, modelOf, node, noise, run, value } from "./support.ts";

describe("an upgraded model computes the same bits", () => {
  test.each(cases)("$name", async (one) => {
    const old = modelFor(one);
    const bytes = encodeModel(old);
    const model = loadModel(bytes);
    expect(model.opsets).toEqual({ "": internalOpset });
    expect(model.graph.nodes.map(({ op }) => op)).toEqual(one.ops);
    const feeds = feedsOf(old);
    const upgraded = await run(encodeForRuntime(model).bytes, feeds);
    if (!one.unrun) expect(upgraded).toEqual(await run(bytes, feeds));
  });

  test("BatchNormalization 7 with a mean for every position", async () => {
    // The runtime has no kernel for the old form: the right numbers are computed here.
    const shape = [2, 3];
    const [s, b, m, v] = [1, 2, 3, 4].map((seed) => noise(6, seed).map((x) => x + 1.5)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const old = modelOf(7, {
      inputs: [value("x", [4, ...shape])],
      outputs: [value("y")],
      initializers: new Map([s, b, m, v].map((data, i) => ["sbmv"[i]!, float32(shape, data)])),
      nodes: [node("BatchNormalization", bnInputs, ["y"], { spatial: 0, epsilon: f(1e-3) })],
    });
    const model = loadModel(encodeModel(old));
    const feeds = feedsOf(old);
    const { y } = await run(encodeModel(model), feeds);
    const found = new Float32Array(Uint8Array.from(y!.bytes as number[]).buffer);
    const x = feeds["x"]!.data as Float32Array;
    for (const [i, one] of found.entries()) {
      const at = i % 6;
      expect(one).toBeCloseTo(((x[i]! - m[at]!) / Math.sqrt(v[at]! + 1e-3)) * s[at]! + b[at]!, 5);
    }
  });

  test("bodies of If are upgraded with what they capture", async () => {
    const body = (name: string, max: number): Graph =>
      graphOf({
        name,
        nodes: [
          node("Clip", ["x"], [`${name}_c`], { max: f(max) }),
          node("Squeeze", [`${name}_c`], [name], { axes: [0] }),
        ],
        outputs: [value(name)],
      });
    const old = modelOf(9, {
      inputs: [value("x", [1, 3])],
      outputs: [value("y")],
      initializers: new Map([["c", tensor("bool", [], [1])]]),
      nodes: [
        node("If", ["c"], ["y"], {
          then_branch: { type: "graph", value: body("t", 0.1) },
          else_branch: { type: "graph", value: body("e", 0.2) },
        }),
      ],
    });
    const bytes = encodeModel(old);
    const model = loadModel(bytes);
    const feeds = feedsOf(old);
    expect(await run(encodeModel(model), feeds)).toEqual(await run(bytes, feeds));
  });

  test("GroupNormalization 18: scale and bias of groups become those of channels", async () => {
    // The runtime has no kernel for the old form, whose meaning is that every channel takes its group's numbers.
    const x = value("x", [2, 4, 3]);
    const groups = new Map([
      ["s", float32([2], [2, 3])],
      ["b", float32([2], [0.5, -1])],
    ]);
    const old = modelOf(18, {
      inputs: [x],
      outputs: [value("y")],
      initializers: groups,
      nodes: [node("GroupNormalization", ["x", "s", "b"], ["y"], { num_groups: 2 })],
    });
    const model = loadModel(encodeModel(old));
    const [, scale, bias] = model.graph.nodes[0]!.inputs.map((name) => model.graph.initializers.get(name)?.data);
    expect([...(scale as Float32Array)]).toEqual([2, 2, 3, 3]);
    expect([...(bias as Float32Array)]).toEqual([0.5, 0.5, -1, -1]);
    expect(model.graph.initializers.has("s")).toBe(false);
    await run(encodeModel(model), feedsOf(old));
  });

  test("RoiAlign 10 keeps where its positions lie", () => {
    // The runtime has no kernel of opset 22 for it, so there is nothing to run.
    const inputs = [value("x", image), value("r", [1, 4]), value("n", [1], "int64")];
    const old = modelOf(10, {
      inputs,
      outputs: [value("y")],
      nodes: [node("RoiAlign", ["x", "r", "n"], ["y"])],
    });
    const [upgraded] = loadModel(encodeModel(old)).graph.nodes;
    expect(upgraded!.attributes).toEqual({
      coordinate_transformation_mode: { type: "string", value: "output_half_pixel" },
    });
  });

  test("nodes of other domains stay as they are", () => {
    const other = node("Softmax", ["x"], ["y"], { axis: 1 }, "com.example");
    const old = {
      ...modelOf(9, { inputs: [value("x", [2, 3, 4])], outputs: [value("y")], nodes: [other] }),
      opsets: { "": 9, "com.example": 3 },
    };
    const model = loadModel(encodeModel(old));
    expect(model.graph.nodes).toEqual([other]);
    expect(model.opsets).toEqual({ "": internalOpset, "com.example": 3 });
  });
});

const kept: readonly Omit<Case, "ops">[] = [
  {
    name: "BatchNormalization of every position, of no known type",
    opset: 7,
    shape: image,
    initializers: { ...bn, s: float32([2, 6, 6], noise(72)) },
    nodes: [
      node("Unknown", ["x"], ["u"], {}, "com.example"),
      node("BatchNormalization", ["u", "s", "b", "m", "v"], ["y"], { spatial: 0 }),
    ],
  },
  {
    name: "BatchNormalization in training",
    opset: 9,
    shape: image,
    initializers: bn,
    nodes: [node("BatchNormalization", bnInputs, ["y", "mean"])],
    outputs: [
      ["y", "float32"],
      ["mean", "float32"],
    ],
  },
  {
    name: "the mask of Dropout",
    opset: 7,
    shape: [2],
    nodes: [node("Dropout", ["x"], ["y", "mask"])],
    outputs: [["mask", "float32"]],
  },
  {
    name: "Resize 10 both ways",
    opset: 10,
    shape: image,
    initializers: { s: float32([4], [1, 1, 2, 0.5]) },
    nodes: [node("Resize", ["x", "s"], ["y"])],
  },
  {
    name: "Resize 11 as TensorFlow has it",
    opset: 11,
    shape: image,
    initializers: { r: float32([0], []), s: two },
    nodes: [
      node("Resize", ["x", "r", "s"], ["y"], {
        coordinate_transformation_mode: "tf_half_pixel_for_nn",
      }),
    ],
  },
  {
    name: "GroupNormalization with a computed scale",
    opset: 18,
    shape: [1, 4, 2],
    initializers: { s: float32([2], [1, 1]), b: float32([2], [1, 2]) },
    nodes: [node("Neg", ["s"], ["n"]), node("GroupNormalization", ["x", "n", "b"], ["y"], { num_groups: 2 })],
  },
  {
    name: "Scan 8",
    opset: 8,
    shape: [1, 2, 3],
    nodes: [
      node("Scan", ["", "x"], ["y"], {
        num_scan_inputs: 1,
        body: {
          type: "graph",
          value: graphOf({
            inputs: [value("i")],
            nodes: [node("Neg", ["i"], ["o"])],
            outputs: [value("o")],
          }),
        },
      }),
    ],
  },
];

describe("a node that opset 23 cannot say keeps its form", () => {
  test.each(kept)("$name", (one) => {
    const old = modelFor({ ...one, ops: [] });
    const model = loadModel(encodeModel(old));
    const form = `ai.onnx@${one.opset}`;
    expect(model.graph.nodes.filter(({ domain }) => domain === form)).toHaveLength(1);
    const { graph, opsets } = decodeModel(encodeModel(model));
    expect(opsets[""]).toBe(one.opset);
    const written = graph.nodes.find(({ op }) => op === model.graph.nodes.find(({ domain }) => domain === form)!.op);
    expect(written).toEqual(old.graph.nodes.find(({ op }) => op === written!.op));
    expect(decodeModel(encodeForRuntime(model).bytes).opsets[""]).toBe(one.opset);
    expect(() => encodeModel(model, { opset: 22 })).toThrow(
      `is in the form of opset ${one.opset} and means something else in opset 22; write the model in opset ${one.opset}`,
    );
  });
});
