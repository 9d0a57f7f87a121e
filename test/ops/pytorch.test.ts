/** Operators and their gradients agree with PyTorch's; test/fixtures/README.md says what made the numbers. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { float32, int64s, tensor } from "../../src/graph/tensor.ts";
import type { Value } from "../../src/ops/core/define.ts";
import { createEmitter, emitNode, valueIn } from "../../src/ops/emitter.ts";
import type { OpName } from "../../src/ops/core/names.ts";
import { newBuilder, runGraph } from "../support/graphs.ts";
import { relativeError } from "../support/reference.ts";

interface Numbers {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

interface Case {
  readonly name: string;
  readonly nodes: readonly {
    readonly op: OpName;
    readonly inputs: readonly string[];
    readonly output: string;
    readonly attributes: Readonly<Record<string, unknown>>;
  }[];
  readonly constants: Readonly<Record<string, readonly number[]>>;
  readonly inputs: Readonly<Record<string, Numbers>>;
  readonly seed: Numbers;
  readonly output: Numbers;
  readonly gradients: Readonly<Record<string, Numbers>>;
}

const file = new URL("../fixtures/operators.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: readonly Case[] };

/** PyTorch computes in double precision, we in single. */
const tolerance = 1e-4;

describe("PyTorch", () => {
  for (const { name, nodes, constants, inputs, seed, output, gradients } of cases)
    it(`computes as ${nodes.map(({ op }) => op).join(" ")} does: ${name}`, async () => {
      const builder = newBuilder();
      const g = createEmitter(builder);
      const values = new Map<string, Value>();
      for (const [name, { shape }] of Object.entries(inputs))
        values.set(name, valueIn(builder, builder.input(name, { dtype: "float32", shape })));
      for (const [name, list] of Object.entries(constants))
        values.set(name, g.constant(name === "z" ? tensor("int8", [list.length], list) : int64s(list)));
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
