/** Reads what PyTorch computed of the networks in test/fixtures, and measures how far a result is from it. */

import { readdirSync, readFileSync } from "node:fs";

import { sizeOf } from "../../src/graph/tensor.ts";

export interface Values {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

/** One forward and backward pass. */
export interface Pass {
  readonly loss: number;
  readonly output: Values;
  /** By initializer; of an initializer that Identity nodes copy, the sum over the copies. */
  readonly gradients: Readonly<Record<string, Values>>;
  /** By value, each with its own share, of the initializers that Identity nodes copy and of the copies. */
  readonly aliasGradients?: Readonly<Record<string, Values>>;
  /** Running means and variances after one step, by the value that the BatchNormalization reads. */
  readonly statistics?: Readonly<Record<string, Values>>;
}

export interface Reference {
  readonly name: string;
  readonly dtype: "float32" | "float16";
  readonly opset: number;
  /** Whether BatchNormalization was left in the graph, or folded into the convolutions where that could be done. */
  readonly mode: "kept" | "folded";
  readonly batch: "dynamic" | "fixed";
  readonly loss: "crossEntropy" | "meanSquaredError";
  /** PyTorch's: the weight of the new statistics, 1 minus that of ONNX. */
  readonly momentum: number;
  readonly operators: readonly string[];
  /** Output of an Identity node to the initializer it copies. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly input: Values & { readonly name: string };
  /** Of "crossEntropy". */
  readonly labels?: readonly number[];
  /** Of "meanSquaredError", which is the mean over all elements. */
  readonly target?: Values;
  readonly outputName: string;
  /** BatchNormalization with its running statistics. */
  readonly eval: Pass;
  /** BatchNormalization with the batch's statistics; null where the graph has none. */
  readonly train: Pass | null;
}

/** ResNet-20's passes, and the batch of 8 images they are of. */
export interface ResNet20Reference {
  readonly momentum: number;
  readonly input: Values & { readonly name: string };
  readonly labels: readonly number[];
  readonly eval: Pass;
  readonly train: Pass;
}

const fixtures = new URL("../fixtures/", import.meta.url);

/** The names of the small networks, sorted. */
export function listNets(): string[] {
  const files = readdirSync(new URL("nets/", fixtures)).filter((file) => file.endsWith(".json"));
  return files.map((file) => file.slice(0, -".json".length)).sort();
}

/** The bytes of a small network's ONNX file. */
export function readNetModel(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`nets/${name}.onnx`, fixtures)));
}

export function readNetReference(name: string): Reference {
  return JSON.parse(readFileSync(new URL(`nets/${name}.json`, fixtures), "utf8")) as Reference;
}

interface Stored {
  readonly name: string;
  readonly shape: readonly number[];
  /** In elements of the .bin file. */
  readonly offset: number;
}

interface StoredPass {
  readonly loss: number;
  readonly output: Stored;
  readonly gradients: Readonly<Record<string, Stored>>;
  readonly statistics: Readonly<Record<string, Stored>>;
}

interface StoredResNet20 {
  readonly momentum: number;
  readonly input: Stored;
  readonly labels: readonly number[];
  readonly eval: StoredPass;
  readonly train: StoredPass;
}

export function readResNet20Reference(): ResNet20Reference {
  const header = JSON.parse(readFileSync(new URL("resnet20-gradients.json", fixtures), "utf8")) as StoredResNet20;
  const bytes = readFileSync(new URL("resnet20-gradients.bin", fixtures));
  const floats = new Float32Array(new Uint8Array(bytes).buffer);
  const load = ({ shape, offset }: Stored): Values => ({
    shape,
    values: floats.subarray(offset, offset + sizeOf(shape)),
  });
  const loadAll = (stored: Readonly<Record<string, Stored>>): Record<string, Values> =>
    Object.fromEntries(Object.entries(stored).map(([name, entry]) => [name, load(entry)]));
  const loadPass = (pass: StoredPass): Pass => ({
    loss: pass.loss,
    output: load(pass.output),
    gradients: loadAll(pass.gradients),
    statistics: loadAll(pass.statistics),
  });
  return {
    momentum: header.momentum,
    input: { name: header.input.name, ...load(header.input) },
    labels: header.labels,
    eval: loadPass(header.eval),
    train: loadPass(header.train),
  };
}

/** The norm of the difference over the norm of what was expected; NaN where the lengths differ. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.NaN;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    const want = expected[i] ?? Number.NaN;
    difference += ((actual[i] ?? Number.NaN) - want) ** 2;
    norm += want ** 2;
  }
  return norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
}
