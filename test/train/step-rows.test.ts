/** A step in rows learns what a step apart learns, takes few tensors, and its state is by the names of weights. */

import { describe, expect, it } from "vitest";
import { tensor, type Tensor } from "../../src/graph/tensor.ts";
import { prepare } from "../../src/execute/prepare.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import type { LoadOptions, Runtime } from "../../src/runtime/port.ts";
import type { StepOptions, TrainerState } from "../../src/train/step.ts";
import { openTrainer } from "../../src/train/trainer.ts";
import { newModel } from "../../src/zoo/zoo.ts";
import { random } from "../support/graphs.ts";
import { readNetModel, relativeError } from "../support/reference.ts";

/** The processor in the place of a graphics card that keeps tensors, or does not; `carried` is how many it keeps. */
function cardThat(keepsOnDevice: boolean): { readonly runtime: Runtime; readonly carried: number[] } {
  const carried: number[] = [];
  const runtime: Runtime = {
    ...directRuntime,
    keepsOnDevice,
    load(model, options: LoadOptions = {}) {
      if (options.carried) carried.push(options.carried.length);
      return directRuntime.load(model, { ...options, device: "cpu" });
    },
  };
  return { runtime, carried };
}

const nets = {
  lenet5: { graph: prepare(newModel("lenet5", { classes: 10, seed: 1 })), shape: [1, 28, 28] },
  residual: { graph: prepare(loadModel(readNetModel("residual-conv"))), shape: undefined },
};
type Net = (typeof nets)[keyof typeof nets];

async function learn(
  { graph, shape }: Net,
  keepsOnDevice: boolean,
  more: Partial<StepOptions>,
  steps: readonly number[] = [0, 1, 2],
  from?: TrainerState,
) {
  const { runtime, carried } = cardThat(keepsOnDevice);
  const options = { loss: "cross-entropy", batch: 4, threads: 1, device: "webgpu", ...more } as const;
  await using trainer = await openTrainer(runtime, from?.graph ?? graph, options, from?.optimiserState);
  const sizes = shape ?? (graph.inputs[0]!.shape!.slice(1) as number[]);
  const losses: number[] = [];
  for (const i of steps) {
    const next = random(i + 7);
    const data = Float32Array.from({ length: 4 * sizes.reduce((a, b) => a * b) }, () => next() * 2 - 1);
    const target = tensor("int64", [4], [1, 0, 0, 1]);
    const inputs = { "": { dtype: "float32", shape: [4, ...sizes], data } as const };
    losses.push((await trainer.step({ inputs, target, size: 4 }, 0.05, i)).loss);
  }
  return { losses, carried: carried[0]!, state: await trainer.state() };
}

const kinds: readonly (readonly [string, Partial<StepOptions>, apart: readonly number[], rows: readonly number[]])[] = [
  ["sgd", { optimiser: { kind: "sgd", weightDecay: 0.1 } }, [20, 68], [4, 5]],
  [
    "adamw, clipped and averaged",
    { optimiser: { kind: "adamw", weightDecay: 0.1 }, clip: 0.5, ema: 0.9 },
    [40, 136],
    [8, 10],
  ],
];

describe("a step in rows", () => {
  it.each(
    kinds.flatMap(([name, more, apart, rows]) =>
      Object.values(nets).map((net, i) => [Object.keys(nets)[i]!, name, net, more, apart[i]!, rows[i]!] as const),
    ),
  )("of %s learns by %s what a step apart learns, with few tensors", async (_net, _name, net, more, apart, rows) => {
    const [expected, found] = [await learn(net, false, more), await learn(net, true, more)];
    expect([expected.carried, found.carried]).toEqual([apart, rows]);
    expect(new Set(expected.losses).size).toBe(3);
    expect(relativeError(found.losses, expected.losses)).toBeLessThan(1e-6);
    const [state, wanted] = [found.state, expected.state];
    expect([...state.optimiserState.keys()].toSorted()).toEqual([...wanted.optimiserState.keys()].toSorted());
    const all = (of: TrainerState): [string, Tensor][] => [...of.graph.initializers, ...of.optimiserState];
    const known = new Map(all(wanted));
    for (const [name, { dtype, shape, data }] of all(state)) {
      expect([dtype, shape], name).toEqual([known.get(name)!.dtype, known.get(name)!.shape]);
      if (data instanceof Float32Array)
        expect(relativeError(data, known.get(name)!.data as Float32Array), name).toBeLessThan(1e-6);
    }
  });

  it("goes on from the state of another as that would have gone on itself", async () => {
    const more = kinds[1]![1];
    const first = await learn(nets.residual, true, more, [0]);
    const second = await learn(nets.residual, true, more, [1], first.state);
    expect(second.state).toEqual((await learn(nets.residual, true, more, [0, 1])).state);
  });

  it("keeps weights apart where steps are in units of their size", async () => {
    const more = { optimiser: { kind: "adamw", relative: true } } as const;
    const [apart, rows] = [await learn(nets.lenet5, false, more), await learn(nets.lenet5, true, more)];
    expect([apart.carried, rows.carried]).toEqual([30, 30]);
    expect(rows.losses).toEqual(apart.losses);
  });
});
