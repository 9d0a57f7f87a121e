/** Sets of images, in memory or read when they are wanted, handed out as normalised float32 batches. */

import { fail } from "../graph/error.ts";
import { randomStream } from "../graph/random.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Dataset, StoredPicture } from "./batches.ts";
import { normalisationTable } from "./normalise.ts";
import type { ImageForm, PixelForm } from "./form.ts";
import { drawView, toChannels, writeView, type ImageShape, type View } from "./pixels.ts";
import { purposes, sampleDataset, type SampleDataset } from "./samples.ts";
import { checkMovable, classIds, moved, targetRows, type TargetArrays } from "./targets.ts";

export interface ImageSource {
  readonly name: string;
  /** [N, C, H, W] in row-major order. */
  readonly images: Uint8Array;
  /** N class ids. */
  readonly labels: Uint8Array | Int32Array;
  /** [C, H, W] of one image. */
  readonly shape: ImageShape;
  readonly classes: number;
  readonly classNames?: readonly string[];
}

/** An image data set with labels, which can always be cut into parts. */
export interface ImageDataset extends SampleDataset {
  readonly classes: number;
  subset(indices: ArrayLike<number>, name: string): ImageDataset;
}

/**
 * Images in memory; batches are normalised float32, in the layout asked for. The bytes are not copied. Fails with
 * `bad-data` where bytes, labels and shape do not fit together.
 */
export function imageDataset(source: ImageSource, form: PixelForm = {}): ImageDataset {
  checkSource(source);
  const { name, labels, classes, classNames } = source;
  return pixelDataset(
    {
      name,
      size: labels.length,
      classes,
      ...(classNames && { labels: classNames }),
      target: classIds(labels),
      ...inMemory(toChannels(source, form.channels, name)),
    },
    form,
  ) as ImageDataset;
}

/** Images that are there already, one behind the other. */
export function inMemory({
  images,
  shape,
}: Pick<ImageSource, "images" | "shape">): Pick<PixelSource, "shape" | "read"> {
  const pixels = shape[0] * shape[1] * shape[2];
  const image = (i: number): Picture => ({ image: images.subarray(i * pixels, (i + 1) * pixels) });
  return { shape, read: (indices) => Array.from(indices, image) };
}

/** Images of one shape, each with a row of the targets that there are. */
export interface PixelSource extends Pick<Dataset, "name" | "classes" | "labels">, TargetArrays {
  readonly size: number;
  readonly shape: ImageShape;
  /** Each image, and nothing for one that cannot be read. */
  read(indices: Int32Array): Pixels | Promise<Pixels>;
}

export type Picture = StoredPicture;

export type Pixels = readonly (Picture | undefined)[];

interface ImageSample extends Picture {
  readonly index: number;
  readonly view: View;
}

/**
 * Batches are float32 [B, C, H, W], or [B, H, W, C], under the input name "", with their rows of the targets. A seed
 * and an epoch decide order and augmentation, whatever the batch size. Padding is black before
 * normalisation, and cropping comes before mirroring, as in torchvision. Masks are moved with their images.
 */
export function pixelDataset(source: PixelSource, form: ImageForm): SampleDataset {
  const { shape } = source;
  const [channels, height, width] = shape;
  const { layout = "nchw" } = form;
  const table = normalisationTable(channels, form);
  const pixels = channels * height * width;
  return sampleDataset<ImageSample>({
    ...source,
    form: wholeForm(form, shape),
    stored: (indices) => ({
      shape,
      read: async (from, to) => source.read(indices.subarray(from, to)),
      targets: () => targetRows(source, [...indices]),
    }),
    open(name, { seed, epoch, augment }) {
      const crop = augment?.crop ?? 0;
      if (crop >= Math.min(height, width))
        fail("bad-option", `data set ${name}: crop is ${crop}; images of ${width} x ${height} pixels need less`);
      checkMovable(name, source, shape, augment);
      const stream = randomStream(seed, epoch, purposes.augment);
      return {
        async read(indices) {
          // Drawn for every image, so that one that cannot be read changes nothing for the others.
          const views = Array.from(indices, () => drawView(stream, augment));
          const images = await source.read(indices);
          return images.flatMap((image, i) => (image ? [{ ...image, index: indices[i]!, view: views[i]! }] : []));
        },
        toBatch(samples) {
          const size = samples.length;
          const data = new Float32Array(size * pixels);
          samples.forEach(({ image, view }, i) =>
            writeView(image, data.subarray(i * pixels, (i + 1) * pixels), shape, table, view, layout),
          );
          const each = layout === "nchw" ? shape : [height, width, channels];
          return {
            inputs: { "": { dtype: "float32", shape: [size, ...each], data } },
            size,
            ...targetsOf(source, shape, samples),
          };
        },
      };
    },
  });
}

/** The targets of samples, moved as their images are. */
function targetsOf(source: TargetArrays, shape: ImageShape, samples: readonly ImageSample[]): TargetArrays {
  const rows = targetRows(
    source,
    samples.map(({ index }) => index),
  );
  const masks = samples.flatMap(({ mask }) => mask ?? []);
  const plane = shape[1] * shape[2];
  const data = new BigInt64Array(masks.length * plane);
  for (const [i, mask] of masks.entries()) for (let at = 0; at < plane; at++) data[i * plane + at] = BigInt(mask[at]!);
  const mask: Tensor = { dtype: "int64", shape: [masks.length, shape[1], shape[2]], data };
  return moved(
    masks.length === 0 ? rows : { ...rows, targets: { ...rows.targets, mask } },
    shape,
    samples.map(({ view }) => view),
  );
}

/** A form with all that was left to its defaults. */
function wholeForm(form: ImageForm, [count, height, width]: ImageShape): ImageForm {
  const { scale = 1 / 255, mean = [0], std = [1], layout = "nchw", resize } = form;
  const stored = ({ 1: "gray", 3: "rgb" } as const)[count];
  const channels = form.channels ?? stored;
  return {
    scale,
    mean,
    std,
    layout,
    ...(channels && { channels }),
    size: [height, width],
    ...(resize !== undefined && { resize }),
  };
}

function checkSource({ name, images, labels, shape, classes, classNames }: ImageSource): void {
  const problems: string[] = [];
  const whole = (value: number): boolean => Number.isSafeInteger(value) && value > 0;
  if (shape.length !== 3 || !shape.every(whole))
    fail("bad-data", `data set ${name}: the shape [${shape.join(", ")}] of an image is not [C, H, W]`);
  const pixels = shape[0] * shape[1] * shape[2];
  if (labels.length === 0) problems.push("no samples");
  if (images.length !== labels.length * pixels)
    problems.push(
      `${images.length} bytes of images are not ${labels.length} (labels) x ${pixels} ([${shape.join(", ")}])`,
    );
  if (!whole(classes)) problems.push(`${classes} classes`);
  if (classNames && classNames.length !== classes) problems.push(`${classNames.length} names for ${classes} classes`);
  const wrong = labels.findIndex((label) => label < 0 || label >= classes);
  if (wrong >= 0) problems.push(`sample ${wrong} has label ${labels[wrong]}; the classes are 0 to ${classes - 1}`);
  if (problems.length > 0) fail("bad-data", `data set ${name}: ${problems.join("; ")}`);
}
