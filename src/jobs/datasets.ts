/** Data sets of what is in memory. */

import { z } from "zod";
import { arrayDataset as ofArrays, type ArraySource } from "../data/arrays.ts";
import { imageDataset as ofImages, type ImageDataset, type ImageSource } from "../data/images.ts";
import type { PixelForm } from "../data/form.ts";
import { ofArchive, openZip } from "../data/npz.ts";
import type { SampleDataset } from "../data/samples.ts";
import { crc32 } from "../graph/crc.ts";
import type { Model } from "../graph/graph.ts";
import { takes } from "../options/check.ts";
import { channels, layout, normalise } from "../options/data.ts";
import { bytes, count, tensor, type KindsOf } from "../options/kinds.ts";

const form = {
  ...normalise.shape,
  layout: layout.optional(),
  channels: channels.optional(),
} satisfies KindsOf<PixelForm>;

const arrays = takes("arrayDataset", {
  name: z.string(),
  inputs: z.record(z.string(), tensor),
  target: tensor.optional(),
  targets: z.record(z.string(), tensor).optional(),
} satisfies KindsOf<ArraySource>);
const formOfArrays = takes("arrayDataset", form);

/**
 * Named arrays in memory whose first axes count the samples. uint8 is pixels, float64 becomes float32, all else is
 * given as it is. A single input of uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] is images, which can be augmented. A
 * target of integers [N] or [N, 1] is class ids of the samples, and of more axes class ids of places; several are given
 * by name as `targets`.
 *
 * @example
 * import { arrayDataset, evaluate, load } from "secateur";
 *
 * const data = arrayDataset({
 * name: "dark",
 * inputs: { "": { dtype: "uint8", shape: [4, 28, 28], data: new Uint8Array(4 * 28 * 28) } },
 * target: { dtype: "int32", shape: [4], data: Int32Array.of(0, 1, 2, 3) },
 * });
 * console.log((await evaluate(await load("model.onnx"), { data })).loss);
 *
 * @throws SecateurError `bad-data` where the arrays do not go together, `bad-option` on a
 * form for pixels where there are none
 */
export const arrayDataset = (source: ArraySource, options: PixelForm = {}): SampleDataset =>
  ofArrays(arrays(source), formOfArrays(options));

const images = takes("imageDataset", {
  name: z.string(),
  images: bytes,
  labels: z.union([bytes, z.custom<Int32Array>((value) => value instanceof Int32Array)]),
  shape: z.tuple([count, count, count]).readonly(),
  classes: count,
  classNames: z.array(z.string()).readonly().optional(),
} satisfies KindsOf<ImageSource>);
const formOfImages = takes("imageDataset", form);

/**
 * Images in memory, bytes [N, C, H, W]; batches are normalised float32. The bytes are not copied.
 *
 * @example
 * import { imageDataset } from "secateur";
 *
 * const [images, labels] = [new Uint8Array(2 * 28 * 28), Uint8Array.of(0, 1)];
 * const data = imageDataset({ name: "dark", images, labels, shape: [1, 28, 28], classes: 2 });
 * console.log(data.size);
 *
 * @throws SecateurError `bad-data` where bytes, labels and shape do not fit together
 */
export const imageDataset = (source: ImageSource, options: PixelForm = {}): ImageDataset =>
  ofImages(images(source), formOfImages(options));

const parts = z.enum(["train", "test"]);
const formOfFiles = takes("npzDataset", { ...form, split: parts.default("test"), model: z.custom<Model>().optional() });

/** What an .npz file is read with; arrays may be called like inputs of the model. */
export interface NpzOptions extends PixelForm {
  /** Default "test". */
  readonly split?: "train" | "test" | undefined;
  readonly model?: Model | undefined;
}

/**
 * The arrays of an .npz file whose bytes are at hand, as `npz:FILE` has them: x and y, or x_train, y_train, x_test and
 * y_test; see docs/data.md.
 *
 * @example
 * import { npzDataset } from "secateur";
 *
 * const bytes = new Uint8Array(await (await fetch("digits.npz")).arrayBuffer());
 * const data = await npzDataset("digits.npz", bytes, { split: "test" });
 * console.log(data.size);
 *
 * @throws SecateurError `bad-data` for a file that is none or is damaged, and arrays that do not go together
 */
export function npzDataset(name: string, content: Uint8Array, given: NpzOptions = {}): Promise<SampleDataset> {
  const { split, model, ...pixels } = formOfFiles(given);
  return ofArchive(name, openZip(name, content, crc32), split, pixels, {}, model);
}
