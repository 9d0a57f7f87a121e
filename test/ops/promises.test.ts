/** What operators state besides shapes, gradients and couplings: zeros, costs, their like in other operators; and that nothing is left out. */

import { describe, expect, it } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import type { GraphBuilder } from "../../src/graph/builder.ts";
import { isFloat, sizeOf, tensor, toNumbers } from "../../src/graph/tensor.ts";
import type { Shape, Tensor } from "../../src/graph/tensor.ts";
import { plainAttributes, type Op, type Sample, type Value } from "../../src/ops/core/define.ts";
import { createEmitter, emitNode, valueIn } from "../../src/ops/emitter.ts";
import type { OpName } from "../../src/ops/core/names.ts";
import { ops } from "../../src/ops/table.ts";
import { trace } from "../../src/passes/trace.ts";
import { couple } from "../../src/prune/coupling/couple.ts";
import { difference, newBuilder, random, readAs, runGraph } from "../support/graphs.ts";
import { ofSample } from "../support/laws.ts";

const isTensor = (x: Shape | Tensor): x is Tensor => !Array.isArray(x);

interface Case {
  readonly builder: GraphBuilder;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly feeds: Record<string, Tensor>;
}

/** The operator alone. `fill` gives the inputs of which the sample states the shape only. */
function single(
  op: Op,
  sample: Sample,
  fill: (shape: Shape, input: number) => Tensor,
  attributes = sample.attributes ?? {},
): Case {
  const builder = newBuilder();
  const feeds: Record<string, Tensor> = {};
  const inputs = sample.inputs.map((input, i) => {
    if (input === null) return undefined;
    if (isTensor(input)) return valueIn(builder, builder.constant(input, `k${i}`));
    const value = fill(input, i);
    const name = builder.input(`x${i}`, { dtype: value.dtype, shape: input });
    feeds[name] = value;
    return readAs(builder, valueIn(builder, name), sample.of);
  });
  const count = sample.outputs ?? 1;
  const outputs = emitNode(builder, op.key as OpName, inputs, attributes, count);
  return { builder, inputs, outputs, feeds };
}

const drawn =
  (sample: Sample, next: () => number) =>
  (shape: Shape): Tensor => {
    const [low, high] = sample.range ?? [-1, 1];
    const draw = () => low + next() * (high - low);
    return tensor("float32", shape, Array.from({ length: sizeOf(shape) }, draw));
  };

const finish = ({ builder, outputs }: Case) => builder.finish(outputs.map((y) => y.name));

/** Sets the elements with the given index along an axis to zero. */
function clear(value: Tensor, axis: number, index: number): Tensor {
  const [size, inner] = [value.shape[axis]!, sizeOf(value.shape.slice(axis + 1))];
  const data = (value.data as Float32Array).map((x, i) => (Math.floor(i / inner) % size === index ? 0 : x));
  return { ...value, data };
}

/** The largest magnitude among the elements with the given index along an axis. */
function largestAt(value: Tensor, axis: number, index: number): number {
  const [size, inner] = [value.shape[axis]!, sizeOf(value.shape.slice(axis + 1))];
  let largest = 0;
  toNumbers(value).forEach((x, i) => {
    if (Math.floor(i / inner) % size === index) largest = Math.max(largest, Math.abs(x));
  });
  return largest;
}

const withFloats = (sample: Sample): boolean => sample.inputs.some((x) => x !== null && !isTensor(x));

/** The units that the operator's first output shares with inputs that are fed, as places by the unit's representative. */
function sharedUnits(one: Case) {
  const coupling = couple(trace(finish(one)));
  const units = new Map<number, { value: string; axis: number; index: number }[]>();
  for (const name of [one.outputs[0]!.name, ...Object.keys(one.feeds)])
    valueIn(one.builder, name).shape.forEach((size, axis) => {
      for (let index = 0; index < size; index++) {
        const root = coupling.solutions[0]!.root[coupling.first(name, axis) + index]!;
        units.set(root, [...(units.get(root) ?? []), { value: name, axis, index }]);
      }
    });
  return [...units.values()];
}

/** The sample's attributes, defaults filled in. */
const valuesOf = (op: Op, { attributes = {} }: Sample): Record<string, unknown> => ({
  ...plainAttributes(op, {}),
  ...attributes,
});

/** Whether some unit lies on the output and on every input that is fed, of which there are no more than two. */
const sharesAll = (one: Case): boolean =>
  Object.keys(one.feeds).length <= 2 &&
  sharedUnits(one).some(
    (places) => new Set(places.map(({ value }) => value)).size === Object.keys(one.feeds).length + 1,
  );

/** Zero where their inputs are, but without a rule: they carry units on axes that no weight produces, or have indices beside. */
const silentOnPurpose = new Set(["FusedMatMul", "MatMul", "TopK"]);

for (const op of ops.values()) {
  const zeros = op.samples.map((sample) =>
    op.zero?.(single(op, sample, drawn(sample, random(1))).inputs, valuesOf(op, sample)),
  );
  describe(op.key, () => {
    op.samples.forEach((sample, n) => {
      it.runIf(withFloats(sample))(
        `zero: the output is zero along a unit just where the rule says so (sample ${n})`,
        ofSample(n),
        async () => {
          const one = single(op, sample, drawn(sample, random(n + 5)));
          const graph = finish(one);
          const y = one.outputs[0]!;
          let used = 0;
          for (const places of sharedUnits(one)) {
            const out = places.filter(({ value }) => value === y.name);
            const carriers = new Set(places.map(({ value }) => value));
            carriers.delete(y.name);
            if (out.length === 0 || carriers.size === 0) continue;
            // A sum is zero only where no input adds something that does not carry the unit.
            const whole = carriers.size === Object.keys(one.feeds).length;
            if (zeros[n] !== "any" && !whole) continue;
            const feeds = { ...one.feeds };
            for (const { value, axis, index } of places)
              if (value !== y.name) feeds[value] = clear(feeds[value]!, axis, index);
            const results = await runGraph(graph, feeds);
            const left = out.map(({ axis, index }) => largestAt(results[y.name]!, axis, index));
            if (zeros[n] === undefined) used += left.every((x) => x === 0) ? 0 : 1;
            else expect(Math.max(...left), `zeros in ${[...carriers].join()}`).toBe(0);
            if (zeros[n] !== undefined) used++;
          }
          if (sharesAll(one) && !silentOnPurpose.has(op.name))
            expect(used, "a zero rule could promise more").toBeGreaterThan(0);
        },
      );

      it.runIf(op.gradient !== "stop" && withFloats(sample))(
        `gradient: an input without one has no influence (sample ${n})`,
        async () => {
          const next = random(n + 31);
          const one = single(op, sample, drawn(sample, next));
          const graph = finish(one);
          // The further outputs of BatchNormalization are statistics, which nothing learns from.
          const floats = one.outputs
            .slice(0, op.name === "BatchNormalization" ? 1 : undefined)
            .filter((y) => isFloat(y.dtype));
          const g = createEmitter(one.builder);
          const seeds = floats.map((value) => ({ value, seed: g.filled(1, value.shape) }));
          const names = Object.keys(one.feeds);
          const gradients = differentiate(one.builder, seeds, names);
          const before = await runGraph(graph, one.feeds);
          for (const name of names) {
            if (gradients.get(name) !== undefined) continue;
            const moved = drawn(sample, next)(one.feeds[name]!.shape);
            const after = await runGraph(graph, { ...one.feeds, [name]: moved });
            for (const y of floats) expect(after[y.name], `${name} changes ${y.name}`).toEqual(before[y.name]);
          }
        },
      );
    });

    op.samples.forEach((sample, n) => {
      if (!op.homogeneous) return;
      it(
        `homogeneous: factors along an axis of the first input are factors of the output (sample ${n})`,
        ofSample(n),
        async () => {
          const one = single(op, sample, drawn(sample, random(n + 71)));
          const [x, y] = [one.inputs[0]!, one.outputs[0]!];
          const axis = x.shape.length > 1 ? 1 : 0;
          expect(y.shape[axis]).toBe(x.shape[axis]);
          // Powers of two: nothing is rounded.
          const scaled = ({ dtype, shape, data }: Tensor): Tensor => {
            const each = sizeOf(shape.slice(axis + 1));
            const factor = (i: number): number => 2 ** ((Math.floor(i / each) % shape[axis]!) - 1);
            return tensor(
              dtype as "float32",
              shape,
              toNumbers({ dtype, shape, data }).map((value, i) => value * factor(i)),
            );
          };
          const before = (await runGraph(finish(one), one.feeds))[y.name]!;
          const feeds = { ...one.feeds, [x.name]: scaled(one.feeds[x.name]!) };
          const after = (await runGraph(finish(one), feeds))[y.name]!;
          expect(toNumbers(after)).toEqual(toNumbers(scaled(before)));
        },
      );
    });

    op.samples.forEach((sample, n) => {
      if (!op.gate) return;
      it(`gate: it is the sum of the first output times its gradient, by sample and channel (sample ${n})`, async () => {
        const next = random(n + 81);
        const one = single(op, sample, drawn(sample, next));
        const { builder } = one;
        const y = one.outputs[0]!;
        const g = createEmitter(builder);
        const dy = valueIn(builder, builder.constant(drawn({ inputs: [] }, next)(y.shape)));
        const told = op.gate!(g, dy, one.inputs, valuesOf(op, sample));
        const space = y.shape.slice(2).map((_, i) => i + 2);
        const summed = g.summed(g.Mul(y, dy), space);
        const results = await runGraph(builder.finish([told.name, summed.name]), one.feeds);
        expect(results[told.name]!.shape).toEqual(y.shape.slice(0, 2));
        const { largest, range } = difference(results[told.name]!, results[summed.name]!);
        expect(range).toBeGreaterThan(0.1);
        expect(largest).toBeLessThan(1e-5 * range);
      });
    });

    op.samples.forEach((sample, n) => {
      if (!op.view) return;
      it(`view: the elements are those of the first input in their order (sample ${n})`, async () => {
        const one = single(op, sample, drawn(sample, random(n + 61)));
        const found = (await runGraph(finish(one), one.feeds))[one.outputs[0]!.name]!;
        expect(found.data).toEqual(one.feeds[one.inputs[0]!.name]!.data);
      });
    });

    const forms = [
      { rule: "decompose", what: "other operators compute", write: op.decompose },
      { rule: "serial", what: "kernels of one thread compute", write: op.singleThreaded },
    ] as const;
    const written = forms.flatMap((form) => op.samples.map((sample, n) => ({ ...form, sample, n })));
    written.forEach(({ rule, what, write, sample, n }) => {
      if (write === undefined) return;
      it(`${rule}: ${what} the same (sample ${n})`, ofSample(n), async () => {
        const one = single(op, sample, drawn(sample, random(n + 41)));
        const g = createEmitter(one.builder);
        const results = write(g, one.inputs, valuesOf(op, sample), one.outputs.length);
        if (results === undefined) return;
        expect(results.map(({ dtype, shape }) => ({ dtype, shape }))).toEqual(
          one.outputs.map(({ dtype, shape }) => ({ dtype, shape })),
        );
        const names = [...one.outputs, ...results].map((y) => y.name);
        const values = await runGraph(one.builder.finish(names), one.feeds);
        one.outputs.forEach((y, i) => {
          const { largest, range } = difference(values[y.name]!, values[results[i]!.name]!);
          expect(largest / range).toBeLessThan(1e-5);
        });
      });
    });

    // Shape keeps whole what it is asked for, and couples nothing.
    it.runIf(op.channels && op.name !== "Shape" && op.samples.some(withFloats))(
      "couples some axis of its first input with its output",
      () => {
        const shared = op.samples.filter(withFloats).flatMap((sample) => {
          const one = single(op, sample, drawn(sample, random(1)));
          const first = Object.keys(one.feeds)[0]!;
          const names = [first, one.outputs[0]!.name];
          return sharedUnits(one).filter((places) => names.every((name) => places.some(({ value }) => value === name)));
        });
        expect(shared.length).toBeGreaterThan(0);
      },
    );
  });
}

const pair = (...values: number[]): Tensor => tensor("float32", [values.length], values);
const scalar = (value: number): Tensor => tensor("float32", [], [value]);

it.each<[OpName, (Tensor | "x" | "is")[], "any" | "all" | undefined]>([
  ["Div", ["x", "x"], undefined],
  ["Div", ["x", pair(3, -0.5)], "any"],
  ["Div", ["x", pair(3, 0)], undefined],
  ["Div", ["x", tensor("float16", [2], [3, 1])], undefined],
  ["Mod", ["x", "x"], undefined],
  ["Mod", ["x", pair(3, -0.5)], "any"],
  ["Mod", ["x", pair(3, 0)], undefined],
  ["Pow", ["x", pair(3, 0.5)], "any"],
  ["Pow", ["x", pair(3, 0)], undefined],
  ["Greater", ["x", "x"], "all"],
  ["Greater", ["x", scalar(0)], "any"],
  ["Greater", [scalar(0), "x"], "any"],
  ["Greater", ["x", pair(0, -1)], undefined],
  ["LessOrEqual", ["x", "x"], undefined],
  ["Max", ["x", "x"], "all"],
  ["Max", ["x", "x", scalar(-1)], "all"],
  ["Max", ["x", scalar(-1), scalar(0)], "any"],
  ["Max", ["x", scalar(1)], undefined],
  // A constant of several elements may learn, and may carry units.
  ["Max", ["x", pair(-1, -1)], "all"],
  ["Where", ["is", "x", "x"], "all"],
  ["Where", ["is", "x", scalar(0)], "any"],
  ["Where", ["is", scalar(0), "x"], "any"],
  ["Where", ["is", "x", scalar(0.5)], "all"],
  ["Where", ["is", "x", pair(0, 0)], "all"],
])("%s of %j promises that it is zero: %s", (name, inputs, expected) => {
  const values = inputs.map((input, i): Value => {
    if (input === "is") return { name: `v${i}`, dtype: "bool", shape: [2] };
    if (input === "x") return { name: `v${i}`, dtype: "float32", shape: [2] };
    return { name: `v${i}`, dtype: input.dtype, shape: input.shape, constant: input };
  });
  expect(ops.get(name)!.zero?.(values, valuesOf(ops.get(name)!, { inputs: [] }))).toBe(expected);
});

it("a gradient stops at operators that have no derivative, and at no others", () => {
  const stopping = [...ops.values()].filter((op) => op.gradient === "stop").map((op) => op.name);
  expect(stopping.join(" ")).toBe(
    "And ArgMax ArgMin Ceil ConstantOfShape Equal EyeLike Floor Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual NonZero Not OneHot Or " +
      "Range Round Shape Sign Size Xor",
  );
});

it.each([
  ["Flatten", [2, 6, 1, 1], []],
  ["Reshape", [2, 1, 6], [tensor("int64", [2], [2, 6])]],
  ["Squeeze", [2, 6, 1], [tensor("int64", [1], [2])]],
] as const)("axes of size 1 beside a channel leave the units of %s single", (name, shape, rest) => {
  const sample: Sample = { inputs: [shape, ...rest] };
  const one = single(ops.get(name)!, sample, drawn(sample, random(1)));
  const onOutput = sharedUnits(one).map((places) => places.filter(({ value }) => value === one.outputs[0]!.name));
  expect(onOutput.filter((places) => places.length === 1 && places[0]!.axis === 1).length).toBe(6);
});

it("BatchNormalization in training covers the lack of a kernel by other operators", () => {
  expect(ops.get("BatchNormalization")!.decompose).toBeDefined();
});

it("no gradient flows through integers", () => {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [3] }));
  const rounded = g.Cast(g.Cast(x, { to: 7 }), { to: 1 });
  const seeds = [{ value: rounded, seed: g.filled(1, [3]) }];
  expect(differentiate(builder, seeds, [x.name]).get(x.name)).toBeUndefined();
});

it("the gradient of one part of a Split is zero in the other parts", async () => {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [5] }));
  const parts = g.many("Split", [x, g.ints([2, 1, 2])], {}, 3);
  const seeds = [{ value: parts[1]!, seed: g.filled(7, [1]) }];
  const dx = differentiate(builder, seeds, [x.name]).get(x.name)!;
  const results = await runGraph(builder.finish([dx.name]), { [x.name]: tensor("float32", [5], [1, 2, 3, 4, 5]) });
  expect(toNumbers(results[dx.name]!)).toEqual([0, 0, 7, 0, 0]);
});

it("Dropout in training passes the gradient of what it kept, scaled as the values are", async () => {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const x = valueIn(builder, builder.input("x", { dtype: "float32", shape: [64] }));
  const flag = g.constant({ dtype: "bool", shape: [], data: Uint8Array.of(1) });
  const [y] = g.many("Dropout", [x, g.scalar(0.3), flag], { seed: 3 }, 1);
  const dx = differentiate(builder, [{ value: y!, seed: g.filled(2, [64]) }], [x.name]).get(x.name)!;
  const ones = tensor("float32", [64], new Float32Array(64).fill(1));
  const results = await runGraph(builder.finish([y!.name, dx.name]), { [x.name]: ones });
  const [values, gradient] = [y!, dx].map(({ name }) => toNumbers(results[name]!)) as [number[], number[]];
  expect(new Set(values.map((value) => value.toFixed(4)))).toEqual(new Set(["0.0000", (1 / 0.7).toFixed(4)]));
  gradient.forEach((value, i) => expect(value).toBeCloseTo(2 * values[i]!, 4));
});

describe("macs", () => {
  const fused = ["FusedConv", "FusedGemm", "FusedMatMul"].map((name) => `com.microsoft.${name}`);
  for (const name of ["Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul", ...fused]) {
    const op = ops.get(name)!;
    op.samples.forEach((sample, n) => {
      if (sample.inputs.length < 2) return;
      it(`${name}: ones, multiplied without padding, add up to the count (sample ${n})`, async () => {
        const kept = Object.entries(sample.attributes ?? {})
          .filter(([key]) => !/^(pads|auto_pad|output_shape|alpha|beta|activation_.*)$/.test(key))
          .map(([key, value]) => [key, key === "activation" ? "Relu" : value] as const);
        const one = single(
          op,
          sample,
          (shape, i) =>
            tensor("float32", shape, new Float32Array(sizeOf(shape)).fill(i < 2 || name === "Einsum" ? 1 : 0)),
          Object.fromEntries(kept),
        );
        const results = await runGraph(finish(one), one.feeds);
        const total = toNumbers(results[one.outputs[0]!.name]!).reduce((a, b) => a + b, 0);
        const attributes = { ...plainAttributes(op, {}), ...Object.fromEntries(kept) };
        expect(op.macs!(one.inputs, one.outputs, attributes)).toBe(total);
      });
    });
  }
  it.each(["LSTM", "GRU", "RNN"])("%s: what its steps multiply, where the first has a state to multiply", (name) => {
    const op = ops.get(name)!;
    for (const sample of op.samples.filter(({ inputs }) => inputs[5])) {
      const one = single(op, sample, drawn(sample, random(1)));
      const g = createEmitter(one.builder);
      const start = one.builder.nodes.length;
      op.decompose!(g, one.inputs, valuesOf(op, sample), 1);
      let total = 0;
      for (const node of one.builder.nodes.slice(start)) {
        if (node.op !== "Gemm") continue;
        const [inputs, outputs] = [node.inputs, node.outputs].map((names) =>
          names.map((value) => valueIn(one.builder, value)),
        );
        total += ops.get("Gemm")!.macs!(inputs!, outputs!, {});
      }
      expect(op.macs!(one.inputs, one.outputs, valuesOf(op, sample))).toBe(total);
    }
  });
  it("is stated by no other operator", () => {
    const stated = [...ops.values()].filter((op) =>
      op.samples.some((sample) => {
        const one = single(op, sample, drawn(sample, random(1)));
        return (op.macs?.(one.inputs, one.outputs, valuesOf(op, sample)) ?? 0) !== 0;
      }),
    );
    expect(stated.map((op) => op.name)).toEqual(
      "Attention Conv ConvTranspose Einsum GRU Gemm LSTM MatMul RNN FusedConv FusedGemm FusedMatMul".split(" "),
    );
  });
});
