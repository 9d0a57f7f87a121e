/** Operators and their gradients agree with PyTorch's; test/fixtures/README.md says what made the numbers. */

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { float32, int64s, tensor, type NumericDType } from "../../src/graph/tensor.ts";
import { loadModel } from "../../src/onnx/load.ts";
import type { Value } from "../../src/ops/core/define.ts";
import { createEmitter, emitNode, valueIn } from "../../src/ops/emitter.ts";
import type { OpName } from "../../src/ops/core/names.ts";
import { ops } from "../../src/ops/table.ts";
import { normalise } from "../../src/passes/normalise.ts";
import { newBuilder, runGraph } from "../support/graphs.ts";
import { listNets, readNetModel, relativeError } from "../support/reference.ts";

interface Numbers {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

interface Typed extends Numbers {
  readonly dtype: NumericDType;
}

interface Case {
  readonly name: string;
  readonly nodes: readonly {
    readonly op: OpName;
    readonly inputs: readonly string[];
    readonly output: string;
    readonly attributes: Readonly<Record<string, unknown>>;
  }[];
  readonly constants: Readonly<Record<string, readonly number[] | Typed>>;
  readonly inputs: Readonly<Record<string, Numbers>>;
  readonly seed: Numbers;
  readonly output: Numbers;
  readonly gradients: Readonly<Record<string, Numbers>>;
}

const file = new URL("../fixtures/operators.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: readonly Case[] };

/** PyTorch computes in double precision, we in single. */
const tolerance = 1e-5;

function constantOf(name: string, given: readonly number[] | Typed) {
  if ("dtype" in given) return tensor(given.dtype, given.shape, given.values);
  return name === "z" ? tensor("int8", [given.length], given) : int64s(given);
}

describe("PyTorch", () => {
  for (const { name, nodes, constants, inputs, seed, output, gradients } of cases)
    it(`computes as ${nodes.map(({ op }) => op).join(" ")} does: ${name}`, async () => {
      const builder = newBuilder();
      const g = createEmitter(builder);
      const values = new Map<string, Value>();
      for (const [name, { shape }] of Object.entries(inputs))
        values.set(name, valueIn(builder, builder.input(name, { dtype: "float32", shape })));
      for (const [name, given] of Object.entries(constants)) values.set(name, g.constant(constantOf(name, given)));
      for (const { op, inputs: read, output: written, attributes } of nodes)
        values.set(
          written,
          emitNode(
            builder,
            op,
            read.map((name) => values.get(name)),
            attributes,
            1,
          )[0]!,
        );
      const y = values.get("y")!;
      const names = Object.keys(inputs);
      const found = differentiate(builder, [{ value: y, seed: g.constant(float32(seed.shape, seed.values)) }], names);
      const wanted = [y, ...names.map((name) => found.get(name)!)];
      const feeds = Object.fromEntries(names.map((name) => [name, float32(inputs[name]!.shape, inputs[name]!.values)]));
      const results = await runGraph(builder.finish(wanted.map((value) => value.name)), feeds);
      [output, ...names.map((name) => gradients[name]!)].forEach((expected, i) => {
        const actual = results[wanted[i]!.name]!;
        expect(actual.shape).toEqual(expected.shape);
        expect(relativeError(actual.data as Float32Array, expected.values), names[i - 1] ?? "y").toBeLessThan(
          tolerance,
        );
      });
    });
});

/** Operators in files that PyTorch exported: ../autodiff/pytorch.test.ts and ../objective have their gradients. */
function exported(): Set<string> {
  const folder = new URL("../fixtures/losses/", import.meta.url);
  const losses = readdirSync(folder).flatMap((file) =>
    file.endsWith(".onnx") ? [readFileSync(new URL(file, folder))] : [],
  );
  const graphs = [...losses, ...listNets().map(readNetModel)].map((bytes) => loadModel(bytes).graph);
  return new Set(
    graphs.flatMap((graph) => [graph, normalise(graph)].flatMap(({ nodes }) => nodes.map(({ op }) => op))),
  );
}

it("covers every operator that a gradient goes through", () => {
  const covered = new Set([...exported(), ...cases.flatMap(({ nodes }) => nodes.map(({ op }) => op as string))]);
  const flows = [...ops.values()].filter(({ gradient }) => typeof gradient === "function" || gradient === "decompose");
  expect(flows.map(({ key }) => key).filter((key) => !covered.has(key))).toEqual([]);
});
