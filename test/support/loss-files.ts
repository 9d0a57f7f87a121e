/** Losses as PyTorch exports them, with small networks and a minibatch for them: test/fixtures/losses. */

import { readFileSync } from "node:fs";
import type { Batch, Dataset } from "../../src/data/batches.ts";
import type { Model } from "../../src/graph/graph.ts";
import { float32, take, tensor, type Tensor } from "../../src/graph/tensor.ts";
import { load } from "../../src/node.ts";
import type { Values } from "./reference.ts";

export const lossNets = ["detector", "segmenter"] as const;
export type LossNet = (typeof lossNets)[number];

/** What PyTorch computed. */
interface Pass {
  readonly loss: Values;
  readonly gradients: Readonly<Record<string, Values>>;
}

export interface LossReference {
  readonly image: Values;
  readonly targets: Readonly<Record<string, Values>>;
  readonly "eval-each": Pass;
  readonly "eval-mean": Pass;
  readonly "train-each": Pass;
  readonly "train-mean": Pass;
}

const folder = new URL("../fixtures/losses/", import.meta.url);

export const lossPath = (name: string): string => new URL(`${name}.onnx`, folder).pathname;
export const readLoss = (name: string): Promise<Model> => load(new URL(`${name}.onnx`, folder));
export const readLossReference = (net: LossNet): LossReference =>
  JSON.parse(readFileSync(new URL(`${net}.json`, folder), "utf8")) as LossReference;

/** The minibatch that PyTorch saw. */
export function batchOf({ image, targets }: LossReference): Batch {
  const read = (name: string, { shape, values }: Values): Tensor =>
    name === "truth" ? float32(shape, Array.from(values)) : tensor("int64", shape, Array.from(values));
  const found = Object.entries(targets).map(([name, values]) => [name, read(name, values)] as const);
  const [first] = found;
  return {
    inputs: { "": float32(image.shape, Array.from(image.values)) },
    size: image.shape[0]!,
    ...(found.length === 1 ? { target: first![1] } : { targets: Object.fromEntries(found) }),
  };
}

/** A data set of these samples, over and over. */
export function datasetOf(whole: Batch, samples: number): Dataset {
  return {
    name: "few",
    size: samples,
    // oxlint-disable-next-line require-await
    async *batches({ batchSize, limit = Number.POSITIVE_INFINITY, dropLast }) {
      for (let i = 0; i < limit && i * batchSize < samples; i++) {
        const size = Math.min(batchSize, samples - i * batchSize);
        if (dropLast && size < batchSize) return;
        const rows = Array.from({ length: size }, (_, k) => (i * batchSize + k) % whole.size);
        const pick = (all: Readonly<Record<string, Tensor>>): Record<string, Tensor> =>
          Object.fromEntries(Object.entries(all).map(([name, value]) => [name, take(value, 0, rows)]));
        yield {
          inputs: pick(whole.inputs),
          size,
          ...(whole.target && { target: take(whole.target, 0, rows) }),
          ...(whole.targets && { targets: pick(whole.targets) }),
        };
      }
    },
  };
}
