/** A classifier that needs no training: it knows one image of each class, and says whose is nearest. */

import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Model, ValueInfo } from "../../src/graph/graph.ts";
import { float32 } from "../../src/graph/tensor.ts";
import { imageDataset, type ImageDataset } from "../../src/data/images.ts";
import type { PixelForm } from "../../src/data/form.ts";
import { createEmitter, valueIn } from "../../src/ops/emitter.ts";
import { collect, pixelsOf } from "./images.ts";
import { emptyGraph, modelOf, random } from "./graphs.ts";

const shape = [3, 4, 4] as const;
const pixels = 48;

/** Bytes of one image of each class, the next always brighter: with another scale all look like the brightest. */
function prototypes(classes: number): Uint8Array {
  const next = random(3);
  return Uint8Array.from({ length: classes * pixels }, (_, i) => Math.floor(15 * Math.floor(i / pixels) + next() * 90));
}

/** Images of the classes in turns, with a little noise. */
export function nearOnes(classes: number, count: number, form: PixelForm, labels?: readonly number[]): ImageDataset {
  const [known, next] = [prototypes(classes), random(7)];
  return imageDataset(
    {
      name: "near ones",
      shape,
      classes,
      images: Uint8Array.from({ length: count * pixels }, (_, i) => {
        const sample = Math.floor(i / pixels) % classes;
        return known[sample * pixels + (i % pixels)]! + Math.floor(next() * 10);
      }),
      labels: Int32Array.from({ length: count }, (_, i) => labels?.[i] ?? i % classes),
      classNames: Array.from({ length: classes }, (_, c) => `kind${c}`),
    },
    form,
  );
}

/** The classifier, for images in a form; its hidden layer can be pruned. */
export async function nearest(classes: number, form: PixelForm): Promise<Model> {
  const images = prototypes(classes);
  const labels = Uint8Array.from({ length: classes }, (_, i) => i);
  const own = imageDataset({ name: "prototypes", shape, classes, images, labels }, form);
  const known = pixelsOf(await collect(own, { batchSize: classes }));
  // -|x - p|², but for what all classes share: 2 x·p - |p|².
  const weights = float32(
    [classes, pixels],
    known.map((value) => 2 * value),
  );
  const norms = Array.from({ length: classes }, (_, c) =>
    known.slice(c * pixels, (c + 1) * pixels).reduce((sum, value) => sum + value * value, 0),
  );
  const builder = new GraphBuilder(emptyGraph, new Map());
  const g = createEmitter(builder);
  const input = builder.input("x", { dtype: "float32", shape: [1, ...shape] });
  const flat = g.Flatten(valueIn(builder, input), { axis: 1 });
  const far = Math.max(...norms);
  const hidden = g.Relu(
    g.Gemm(
      flat,
      valueIn(builder, builder.constant(weights, "first.weight")),
      g.constant(
        float32(
          [classes],
          norms.map((norm) => far - norm),
        ),
      ),
      { transB: 1 },
    ),
  );
  const identity = float32(
    [classes, classes],
    Array.from({ length: classes * classes }, (_, i) => (i % (classes + 1) === 0 ? 1 : 0)),
  );
  const y = g.Gemm(hidden, valueIn(builder, builder.constant(identity, "second.weight")), undefined, {});
  const graph = builder.finish([y.name]);
  const open = (values: readonly ValueInfo[]): ValueInfo[] =>
    values.map((value) => ({ ...value, shape: ["N", ...value.shape!.slice(1)] }));
  return modelOf({ ...graph, inputs: open(graph.inputs), outputs: open(graph.outputs) });
}
