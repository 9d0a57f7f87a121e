/** Writing in other opsets: what is written computes the same, and what an opset can't say raises it by the least that can. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Graph, Model, Node } from "../../src/graph/graph.ts";
import { float32, int64s, tensor } from "../../src/graph/tensor.ts";
import { decodeModel } from "../../src/onnx/decode.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { fileForm } from "../../src/onnx/file-form.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { cases, image, modelFor } from "./cases.ts";
import { f, feedsOf, graphOf, modelOf, node, noise, run, value } from "./support.ts";

const opsets = [7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26];

/** Every model that differs in how it is written, once. */
function* forms(model: Model): Generator<{ readonly opset: number; readonly bytes: Uint8Array }> {
  const seen = new Set<string>();
  for (const opset of opsets) {
    const form = fileForm(model, { opset });
    const key = JSON.stringify(form.model.graph.nodes);
    if (seen.has(key) || form.opset < opset) continue;
    seen.add(key);
    yield { opset: form.opset, bytes: encodeModel(model, { opset }) };
  }
}

describe("a model written in any opset computes the same bits", () => {
  test.each(cases.filter(({ unrun }) => !unrun))("$name", async (one) => {
    const old = modelFor(one);
    const bytes = encodeModel(old);
    const model = loadModel(bytes);
    const feeds = feedsOf(old);
    const wanted = await run(bytes, feeds);
    const own = fileForm(model);
    expect(own.raised).toBeUndefined();
    expect(decodeModel(encodeModel(model))).toMatchObject({ opsets: { "": one.opset }, irVersion: old.irVersion });
    for (const form of forms(model)) {
      expect(decodeModel(form.bytes).opsets[""]).toBe(form.opset);
      expect(await run(form.bytes, feeds), `opset ${form.opset}`).toEqual(wanted);
    }
  });
});

/** A model of the internal opset with nodes as they are only in it. */
const young = (nodes: readonly Node[], more: Partial<Graph> = {}, shape: readonly number[] = image): Model =>
  modelOf(23, { inputs: [value("x", shape)], outputs: [value("y")], nodes, ...more });

const inits = (tensors: Record<string, Graph["initializers"] extends ReadonlyMap<string, infer T> ? T : never>) => ({
  initializers: new Map(Object.entries(tensors)),
});

const downs: readonly (readonly [title: string, model: Model, opset: number, ops: readonly string[]])[] = [
  [
    "Softmax in the middle",
    young([node("Softmax", ["x"], ["y"], { axis: 1 })]),
    7,
    ["Transpose", "Softmax", "Transpose"],
  ],
  [
    "some sizes of a Shape",
    young([node("Shape", ["x"], ["s"], { start: 1, end: 3 }), node("Cast", ["s"], ["y"], { to: 1 })]),
    9,
    ["Shape", "Slice", "Cast"],
  ],
  [
    "a Split in uneven parts",
    young(
      [node("Split", ["x"], ["a", "b"], { axis: 2, num_outputs: 2 }), node("Concat", ["b", "a"], ["y"], { axis: -2 })],
      {},
      [1, 2, 5, 3],
    ),
    7,
    ["Split", "Concat"],
  ],
  [
    "Pad of some axes",
    young([node("Pad", ["x", "p", "", "a"], ["y"])], inits({ p: int64s([1, 0, 2, 3]), a: int64s([-1, 2]) })),
    7,
    ["Pad"],
  ],
  [
    "CastLike",
    young([node("CastLike", ["i", "x"], ["f"]), node("Mul", ["x", "f"], ["y"])], inits({ i: int64s([2]) })),
    7,
    ["Cast", "Mul"],
  ],
  [
    "a reduction over no axes",
    young([node("ReduceSum", ["x", "a"], ["y"], { noop_with_empty_axes: 1 })], inits({ a: int64s([]) })),
    7,
    ["Identity"],
  ],
  [
    "Resize of some axes",
    young([node("Resize", ["x", "", "", "z"], ["y"], { axes: [2, 3], mode: "linear" })], inits({ z: int64s([4, 9]) })),
    11,
    ["Resize"],
  ],
  [
    "Resize of some axes, of a value whose sizes nobody declares",
    young(
      [
        node("Transpose", ["x"], ["t"], { perm: [0, 1, 3, 2] }),
        node("Resize", ["t", "", "", "z"], ["y"], { axes: [3, 2], mode: "linear" }),
      ],
      inits({ z: int64s([4, 9]) }),
    ),
    11,
    ["Transpose", "Shape", "Slice", "Slice", "Concat", "Resize"],
  ],
  [
    "Gemm without C",
    young([node("Gemm", ["x", "w"], ["y"])], inits({ w: float32([3, 2], noise(6)) }), [2, 3]),
    7,
    ["Gemm"],
  ],
  [
    "Dropout that drops nothing",
    young(
      [node("Dropout", ["x", "r", "t"], ["y"], { seed: 3 })],
      inits({ r: float32([], [0.3]), t: tensor("bool", [], [0]) }),
    ),
    7,
    ["Dropout"],
  ],
  [
    "GroupNormalization with the same numbers in a group",
    young([node("Clip", ["x", "l", "h"], ["y"])], inits({ l: float32([], [-0.25]), h: float32([], [0.5]) })),
    7,
    ["Clip"],
  ],
  [
    "QuantizeLinear of one scale",
    young(
      [node("QuantizeLinear", ["x", "s", "z"], ["q"], { axis: 1 }), node("DequantizeLinear", ["q", "s", "z"], ["y"])],
      inits({ s: float32([], [0.05]), z: tensor("uint8", [], [128]) }),
    ),
    10,
    ["QuantizeLinear", "DequantizeLinear"],
  ],
];

test.each(downs)("opset 23 brought down: %s", async (_, model, opset, ops) => {
  const feeds = feedsOf(model);
  const wanted = await run(encodeModel(model), feeds);
  const written = fileForm(model, { opset });
  expect(written.raised).toBeUndefined();
  expect(written.model.graph.nodes.map(({ op }) => op)).toEqual(ops);
  for (const form of forms(model)) expect(await run(form.bytes, feeds), `opset ${form.opset}`).toEqual(wanted);
});

const perChannel = inits({ s: float32([2], [0.1, 0.2]), z: tensor("uint8", [2], [128, 120]) });
const raises: readonly (readonly [title: string, model: Model, wanted: number, needed: number, why: string])[] = [
  [
    "an operator that came later",
    young([node("LayerNormalization", ["x", "s"], ["y"])], inits({ s: float32([6], noise(6)) })),
    13,
    17,
    "opset 13 can't say LayerNormalization -> y: written in opset 17",
  ],
  [
    "Where",
    young([node("Where", ["c", "x", "x"], ["y"])], inits({ c: tensor("bool", [1], [1]) })),
    8,
    9,
    "opset 8 can't say Where -> y: written in opset 9",
  ],
  [
    "axes that are computed",
    young([node("Add", ["a", "a"], ["b"]), node("ReduceMean", ["x", "b"], ["y"])], inits({ a: int64s([1]) })),
    11,
    18,
    "opset 11 can't say ReduceMean -> y: written in opset 18",
  ],
  [
    "a scale for every channel",
    young(
      [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"])],
      perChannel,
    ),
    11,
    13,
    "opset 11 can't say QuantizeLinear -> q, DequantizeLinear -> y: written in opset 13",
  ],
  [
    "Reshape to nothing",
    young([node("Reshape", ["x", "t"], ["y"], { allowzero: 1 })], inits({ t: int64s([0, 4]) }), [0, 2]),
    13,
    14,
    "opset 13 can't say Reshape -> y: written in opset 14",
  ],
  [
    "an opset that comes later than our own",
    young([node("Swish", ["x"], ["y"])]),
    23,
    24,
    "opset 23 can't say Swish -> y: written in opset 24",
  ],
  [
    "the least that does, of several",
    young([
      node("Gelu", ["x"], ["a"]),
      node("GreaterOrEqual", ["x", "a"], ["b"]),
      node("Mish", ["a"], ["c"]),
      node("Mul", ["a", "c"], ["y"]),
    ]),
    7,
    20,
    "opset 7 can't say Gelu -> a, GreaterOrEqual -> b, Mish -> c: written in opset 20",
  ],
];

test.each(raises)("raised: %s", async (_, model, wanted, needed, why) => {
  const form = fileForm(model, { opset: wanted });
  expect(form.opset).toBe(needed);
  expect(form.raised).toBe(why);
  if (needed < 24) expect(await run(encodeModel(model, { opset: wanted }), feedsOf(model))).toBeDefined();
});

test("bodies are brought down with what they capture, constants in them too", async () => {
  const body = (name: string, max: number): Graph =>
    graphOf({
      name,
      nodes: [
        node("Constant", [], [`${name}_m`], { value_float: f(max) }),
        node("Clip", ["x", "", `${name}_m`], [`${name}_c`]),
        node("Squeeze", [`${name}_c`, "a"], [name]),
      ],
      outputs: [value(name)],
    });
  const model = modelOf(23, {
    inputs: [value("x", [1, 3])],
    outputs: [value("y")],
    initializers: new Map([
      ["c", tensor("bool", [], [1])],
      ["a", int64s([0])],
    ]),
    nodes: [
      node("If", ["c"], ["y"], {
        then_branch: { type: "graph", value: body("t", 0.1) },
        else_branch: { type: "graph", value: body("e", 0.2) },
      }),
    ],
  });
  const feeds = feedsOf(model);
  const wanted = await run(encodeModel(model), feeds);
  const seen = [...forms(model)];
  expect(seen.map(({ opset }) => opset)).toEqual([7, 11, 12, 13]);
  for (const { bytes } of seen) expect(await run(bytes, feeds)).toEqual(wanted);
  expect([...decodeModel(seen[0]!.bytes).graph.initializers.keys()]).toEqual(["c"]);
});

test("an opset that is not written is refused", () => {
  const model = young([node("Relu", ["x"], ["y"])]);
  for (const opset of [6, 27, 11.5]) expect(() => encodeModel(model, { opset })).toThrow(/opsets 7 to 26 can/);
});

describe("the IR version", () => {
  const relu = young([node("Relu", ["x"], ["y"])]);
  const written = (irVersion: number, fileOpset: number, opset?: number): number =>
    fileForm({ ...relu, irVersion, fileOpset }, { opset }).model.irVersion;
  test("is the file's, whatever its opset", () => {
    expect([written(3, 8), written(8, 17), written(10, 23), written(11, 18)]).toEqual([3, 8, 10, 11]);
  });
  test("is no newer than an older opset that is asked for", () => {
    expect([
      written(11, 24, 17),
      written(10, 18, 12),
      written(7, 18, 13),
      written(10, 18, 7),
      written(3, 9, 7),
    ]).toEqual([8, 7, 7, 4, 3]);
  });
  test("is what carries an opset that is raised", () => {
    expect([written(8, 17, 21), written(3, 7, 9), written(10, 18, 26)]).toEqual([10, 4, 13]);
  });
  test("below 4 has weights among the inputs, as it had", async () => {
    const model = modelOf(8, {
      inputs: [value("x", [2]), value("w", [2])],
      outputs: [value("y")],
      initializers: new Map([["w", float32([2], [2, 3])]]),
      nodes: [node("Mul", ["x", "w"], ["y"])],
    });
    const loaded = loadModel(encodeModel({ ...model, irVersion: 3 }));
    expect(loaded.graph.inputs.map(({ name }) => name)).toEqual(["x"]);
    const bytes = encodeModel(loaded);
    expect(Buffer.from(bytes).toString("latin1").split("w").length - 1).toBe(3);
    await run(bytes, { x: float32([2], [1, 1]) });
  });
});

const cased = join(import.meta.dirname, "../../../shared/cases/opset24-convs.onnx");
test.runIf(existsSync(cased))("a file of opset 24 goes out as one (skipped where ../shared is absent)", async () => {
  const bytes = readFileSync(cased);
  const model = loadModel(bytes);
  const written = encodeModel(model);
  const [old, now] = [decodeModel(bytes), decodeModel(written)];
  expect([now.opsets, now.irVersion]).toEqual([old.opsets, old.irVersion]);
  expect(await run(written, feedsOf(model))).toEqual(await run(bytes, feedsOf(model)));
});
