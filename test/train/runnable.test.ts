/** What the runtime's optimiser is asked for. */

import { describe, expect, it } from "vitest";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { LoadOptions, Runtime } from "../../src/runtime/port.ts";
import { nodeRuntime } from "../../src/runtime/workers-node.ts";
import { prepare } from "../../src/train/prepare.ts";
import { gainsByOptimiser } from "../../src/train/runnable.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { newBuilder, random } from "../support/graphs.ts";

function product(transposed: boolean) {
  const builder = newBuilder();
  const g = createEmitter(builder);
  const input = (name: string, shape: number[]) => valueIn(builder, builder.input(name, { dtype: "float32", shape }));
  const [a, b] = [input("a", [2, 3, 4]), input("b", transposed ? [2, 5, 4] : [2, 4, 5])];
  return builder.finish([g.MatMul(a, transposed ? g.Transpose(b, { perm: [0, 2, 1] }) : b).name]);
}

describe("the runtime's optimiser", () => {
  it("is worth its time where a product reads a transposed value, and on all devices but the CPU", () => {
    expect(gainsByOptimiser(product(true))).toBe(true);
    expect(gainsByOptimiser(product(false))).toBe(false);
    expect(gainsByOptimiser(product(false), "cuda")).toBe(true);
  });

  it.each([1, 2])(
    "is left out of the training of a net that has no such product, which learns the same: %i workers",
    async (workers) => {
      const graph = prepare(newModel("lenet5", { classes: 10, seed: 1 }));
      const asked: LoadOptions[] = [];
      const spied = (base: Runtime, always: boolean): Runtime => ({
        name: base.name,
        lane: (number) => spied(base.lane?.(number) ?? base, always),
        load(model, options = {}) {
          asked.push(options);
          return base.load(model, always ? { ...options, optimise: true } : options);
        },
      });
      const losses = async (always: boolean) => {
        const options = { batch: 16, loss: "cross-entropy", threads: 1, workers } as const;
        await using trainer = await Trainer.create(
          spied(workers === 1 ? directRuntime : nodeRuntime, always),
          graph,
          options,
        );
        const next = random(2);
        const image = {
          dtype: "float32",
          shape: [16, 1, 28, 28],
          data: Float32Array.from({ length: 16 * 784 }, next),
        } as const;
        const target = {
          dtype: "int64",
          shape: [16],
          data: BigInt64Array.from({ length: 16 }, (_, i) => BigInt(i % 10)),
        } as const;
        const found: number[] = [];
        for (let i = 0; i < 3; i++)
          found.push((await trainer.step({ inputs: { "": image }, target, size: 16 }, 0.1)).loss);
        return found;
      };
      const [optimised, plain] = [await losses(true), await losses(false)];
      expect(asked.filter(({ optimise }) => optimise === false).length).toBeGreaterThanOrEqual(2 * workers);
      expect(plain[2]).toBeLessThan(plain[0]!);
      plain.forEach((loss, i) => expect(Math.abs(loss - optimised[i]!)).toBeLessThan(1e-5));
    },
  );
});
