/** Features as an option of prune and finetune: what patterns mean, what is refused, and runs that go on. */

import { expect, it } from "vitest";
import { imageDataset } from "../../src/data/images.ts";
import { prepare } from "../../src/execute/prepare.ts";
import type { Model } from "../../src/graph/graph.ts";
import { cut } from "../../src/jobs/cut.ts";
import { valuesNamed } from "../../src/jobs/feature-names.ts";
import { plan } from "../../src/jobs/plan.ts";
import type { PruneOutcome } from "../../src/jobs/prune-events.ts";
import { prune } from "../../src/jobs/prune.ts";
import type { PruneJobOptions } from "../../src/jobs/prune-options.ts";
import { finetune, type FinetuneJobOptions } from "../../src/jobs/train.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { loadModel } from "../../src/onnx/load.ts";
import { widen } from "../../src/passes/widen.ts";
import { analyse } from "../../src/prune/coupling/analysis.ts";
import { formatKept, formatPlan, parseLeft } from "../../src/prune/select/plan.ts";
import { directRuntime } from "../../src/runtime/onnxruntime-node.ts";
import { random } from "../support/graphs.ts";
import { laws } from "../support/laws.ts";
import { readNetModel } from "../support/reference.ts";

const model = loadModel(readNetModel("residual-conv"));
const next = random(3);
const data = imageDataset({
  name: "noise",
  images: Uint8Array.from({ length: 32 * 243 }, () => next() * 256),
  labels: Uint8Array.from({ length: 32 }, (_, i) => i % 2),
  shape: [3, 9, 9],
  classes: 2,
});
const shared = { data, targets: "teacher", batchSize: 8, seed: 5, threads: 1, runtime: directRuntime } as const;

const valuesOf = (name: string, ...patterns: readonly string[]) => {
  const net = loadModel(readNetModel(name));
  const found = valuesNamed(analyse(widen(prepare(net)), { batch: 2 }), net.graph, patterns);
  return { ...found, names: found.values.map(({ value }) => value) };
};

it("a pattern means values, nodes, and what modules come to", () => {
  expect(valuesOf("residual-conv", "/2/Relu_output_0").names).toEqual(["/2/Relu_output_0"]);
  expect(valuesOf("residual-conv", "/2/Relu").names).toEqual(["/2/Relu_output_0"]);
  expect(valuesOf("residual-conv", "2", "1").names).toEqual(["/1/Relu_output_0", "/2/Relu_output_0"]);
  expect(valuesOf("residual-conv", "2.down.*").names).toEqual([
    "/2/down/down.0/Conv_output_0",
    "/2/down/down.1/BatchNormalization_output_0",
  ]);
  const all = valuesOf("residual-conv", "2.*", "/2/*");
  expect(all.names.length).toBe(9);
  expect(all.others).toEqual([]);
});

it("what cannot be compared is left out of a pattern by name, and refused where nothing else is meant", () => {
  const { names, others } = valuesOf("transformer", "/attention/*");
  expect(names).toContain("/attention/Softmax_output_0");
  expect(others).toContain('"/attention/qkv/Transpose_output_0" is [8, 36], in which no axis follows the batch');
  expect(() => valuesOf("transformer", "/attention/qkv/Transpose_output_0")).toThrow(
    /names nothing that can be compared/,
  );
  expect(() => valuesOf("residual-conv", "out*")).toThrow(
    '"output" is an output of the model, which the loss compares',
  );
});

it("a pattern that means nothing is refused with names that are near", () => {
  expect(() => valuesOf("residual-conv", "2.dwn.*")).toThrow(
    /^no value, node or module of the model is named "2\.dwn\.\*" \(did you mean 2\.down\.\*\?\); there are \/0\/0\.0\/Conv_output_0, /,
  );
  expect(() => valuesOf("residual-conv", "somewhere")).toThrow(/ is named "somewhere"; there are/);
});

const bytesOf = (one: Model): string => Buffer.from(encodeModel(one)).toString("base64");

const pruned = (more: Partial<PruneJobOptions> = {}): PromiseLike<PruneOutcome> =>
  prune(model, {
    ...shared,
    budget: { macs: 0.6 },
    epochs: 1,
    every: 1,
    unitsPerStep: 6,
    pruneLearningRate: 0.01,
    learningRate: 0.01,
    prove: false,
    features: ["1", "2.*"],
    ...more,
  });

it("prune learns from features, and a run that goes on ends in the same bytes", laws, async () => {
  const saved: Uint8Array[] = [];
  const notes: string[] = [];
  const whole = await pruned({
    checkpoints: { every: 0, save: async (pieces) => void saved.push(Buffer.concat(pieces)) },
    onNote: (text) => void notes.push(text),
  });
  expect(whole.removals).toBeGreaterThan(1);
  expect(notes.join()).toMatch(/8 features are compared with the original's: "\/1\/Relu_output_0", /);
  for (const bytes of [saved[0]!, saved[whole.removals - 1]!, saved.at(-2)!]) {
    const again = await pruned({ checkpoints: { from: { name: "checkpoint", bytes }, save: async () => {} } });
    expect(bytesOf(again.model)).toBe(bytesOf(whole.model));
  }
  const without = await pruned({ features: undefined });
  expect(bytesOf(without.model)).not.toBe(bytesOf(whole.model));
  expect("positions" in whole.model.graph).toBe(false);
});

it("features go with a teacher only", async () => {
  await expect(pruned({ targets: "labels" })).rejects.toThrow(
    'says what is learned from the original, and nothing is: use `targets: "teacher"` or `distil: 0.5`',
  );
});

const tuned = (small: Model, more: Partial<FinetuneJobOptions> = {}): PromiseLike<Model> =>
  finetune(small, { ...shared, teacher: model, epochs: 1, learningRate: 0.01, ...more });

it("finetune learns from the model that was cut, by what is left or what was removed", laws, async () => {
  const { removal, kept } = await pruned({ epochs: 0 });
  const { model: small } = await cut(model, removal, { runtime: directRuntime, threads: 1 });
  const features = ["2.*"];
  const byRemoval = await tuned(small, { features, removal });
  expect(bytesOf(byRemoval)).not.toBe(bytesOf(await tuned(small)));
  expect(bytesOf(await tuned(small, { features, kept }))).toBe(bytesOf(byRemoval));
  expect(parseLeft(formatKept(kept))).toEqual({ kept });
  expect(parseLeft(formatPlan(removal))).toEqual({ removal });
  const steps: number[] = [];
  const losses = (event: { readonly kind: string; readonly loss?: number }): void => {
    if (event.kind === "step") steps.push(event.loss!);
  };
  await tuned(model, { features, learningRate: 1e-9, targets: "labels", distil: 0.5, onEvent: losses });
  expect(steps.length).toBe(4);
});

it("finetune refuses features of which nobody knows what is left", async () => {
  const { removal } = await plan(model, { ratio: 0.3, runtime: directRuntime });
  const { model: small } = await cut(model, removal, { runtime: directRuntime, threads: 1 });
  const features = ["/2/Relu"];
  await expect(tuned(small, { features })).rejects.toThrow(
    /in the teacher and .* a file does not say which units are left/,
  );
  const other = new Map([...removal].map(([name, units]) => [name, units.slice(1)]));
  await expect(tuned(small, { features, removal: other })).rejects.toThrow(/not what the units that are left come to/);
  await expect(tuned(small, { kept: new Map([["nothing", [1]]]), features })).rejects.toThrow(/of another model/);
  await expect(tuned(small, { teacher: undefined })).rejects.toThrow("say which model is learned from by `teacher`");
  await expect(tuned(small, { targets: "labels" })).rejects.toThrow(
    "there is a teacher, and nothing is learned from it",
  );
  const tokens = loadModel(readNetModel("transformer"));
  await expect(tuned(small, { teacher: tokens })).rejects.toThrow("the teacher takes and gives other things");
});
