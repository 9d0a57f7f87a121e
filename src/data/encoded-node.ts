/** Sets of encoded images, decoded when a batch wants them; what cannot be decoded is named once and left out. */

import { readFile } from "node:fs/promises";
import { fail, SecateurError, option } from "../graph/error.ts";
import type { Dataset } from "./batches.ts";
import { checkForm, decodeImage, sizeOfImage } from "./decode-node.ts";
import { pixelDataset, type Picture, type Pixels } from "./images.ts";
import type { Tensor } from "../graph/tensor.ts";
import { decodeMask, fittedMask } from "./mask-node.ts";
import type { ImageForm, ImageSize } from "./form.ts";
import type { ImageShape } from "./pixels.ts";
import type { SampleDataset } from "./samples.ts";
import { classIds } from "./targets.ts";

export interface EncodedSource extends Pick<Dataset, "name"> {
  readonly size: number;
  /** What the images show, where that is known. */
  readonly shown?: Shown | undefined;
  /** What an image is called in messages. */
  describe(index: number): string;
  read(index: number): Promise<Uint8Array>;
  /** Targets by name, a row for each image. */
  readonly targets?: Readonly<Record<string, Tensor>> | undefined;
  /** The file of class ids of its pixels, where there is one for each image. */
  mask?: ((index: number) => Promise<MaskFile>) | undefined;
  /** Images whose headers are looked at first where no size is given. */
  readonly probes: readonly number[];
}

/** A mask as it was encoded, and what it is called in messages. */
export interface MaskFile {
  readonly what: string;
  readonly bytes: Uint8Array;
}

/** The class of each image. */
export interface Shown extends Pick<Dataset, "labels"> {
  readonly classes: number;
  readonly classIds: Int32Array;
}

export interface EncodedOptions extends ImageForm {
  /** An image that cannot be decoded is an error, and not left out. */
  readonly strict?: boolean;
  /** Told of each image that is left out. */
  readonly warn?: (message: string) => void;
}

/** Decoded at the same time: enough for every thread, few enough for the limit on open files. */
const atOnce = 16;

/**
 * Images, and class ids where there are any. Where no size is given all images must have that of the
 * first that can be read. Fails with `bad-option` on a form that cannot be, and with `bad-data` on fewer
 * than two classes or sizes that differ.
 */
export async function encodedDataset(source: EncodedSource, options: EncodedOptions): Promise<SampleDataset> {
  const { name, shown } = source;
  checkForm(options);
  if (source.size === 0) fail("bad-data", `${name}: no images`);
  if (shown && shown.classes < 2)
    fail("bad-data", `${name}: all images are of one class${shown.labels ? `, ${shown.labels[0]}` : ""}`);
  const unreadable = new Unreadable(source, options);
  const size = options.size ?? (await commonSize(source, unreadable));
  const shape: ImageShape = [options.channels === "gray" ? 1 : 3, ...size];
  const decode = async (index: number): Promise<Picture | undefined> => {
    const bytes = await unreadable.attempt(index, () => source.read(index));
    const decoded = bytes && (await unreadable.attempt(index, () => decodeImage(bytes, options)));
    if (!decoded) return undefined;
    const [, height, width] = decoded.shape;
    if (height !== size[0] || width !== size[1]) refuseSizes(source, index, [height, width], size);
    const mask = source.mask && (await maskOf(source, await source.mask(index), index, bytes, options));
    return { image: decoded.images, ...(mask && { mask }) };
  };
  return pixelDataset(
    {
      name,
      size: source.size,
      shape,
      ...(shown && {
        classes: shown.classes,
        ...(shown.labels && { labels: shown.labels }),
        target: classIds(shown.classIds),
      }),
      ...(source.targets && { targets: source.targets }),
      read: (indices) => decodeAll(indices, decode),
    },
    options,
  );
}

/** The mask of an image, made to fit as the image is. */
async function maskOf(
  { describe }: EncodedSource,
  { what, bytes }: MaskFile,
  index: number,
  image: Uint8Array,
  options: EncodedOptions,
): Promise<Uint8Array> {
  const mask = decodeMask(bytes, what);
  const [height, width] = await sizeOfImage(image);
  if (mask.size[0] !== height || mask.size[1] !== width)
    fail(
      "bad-data",
      `${what} has ${mask.size.join(" x ")} pixels (height x width), ${describe(index)} ${height} x ${width}`,
    );
  return fittedMask(mask, options);
}

/** In the order of storage, whatever the order of the batch, so that what lies together is read together. */
async function decodeAll(
  indices: Int32Array,
  decode: (index: number) => Promise<Picture | undefined>,
): Promise<Pixels> {
  const images = Array.from<Picture | undefined>({ length: indices.length });
  const places = Array.from(indices.keys()).sort((a, b) => indices[a]! - indices[b]!);
  await inParallel(places, async (place) => {
    images[place] = await decode(indices[place]!);
  });
  return images;
}

async function inParallel<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await run(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

/** The size that the first images have; later ones are compared when they are decoded. */
async function commonSize(source: EncodedSource, unreadable: Unreadable): Promise<ImageSize> {
  const sizes = new Map<number, ImageSize>();
  await inParallel(source.probes, async (index) => {
    const size = await unreadable.attempt(index, async () => sizeOfImage(await source.read(index)));
    if (size) sizes.set(index, size);
  });
  const found = source.probes.filter((index) => sizes.has(index));
  const [first] = found;
  if (first === undefined)
    fail("bad-data", `${source.name}: none of the ${source.probes.length} images looked at can be read`);
  const size = sizes.get(first)!;
  const other = found.find((index) => sizes.get(index)!.some((length, axis) => length !== size[axis]));
  return other === undefined ? size : refuseSizes(source, other, sizes.get(other)!, size);
}

function refuseSizes({ name, describe }: EncodedSource, index: number, own: ImageSize, others: ImageSize): never {
  fail(
    "bad-data",
    `${name}: ${describe(index)} has ${own.join(" x ")} pixels (height x width), others ` +
      `${others.join(" x ")}; give the size of the model's input by ${option("size")}`,
  );
}

/** Images found to be unreadable, each told of once. */
class Unreadable {
  readonly #known = new Set<number>();
  readonly #source: EncodedSource;
  readonly #options: EncodedOptions;

  constructor(source: EncodedSource, options: EncodedOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** What `run` gives, and nothing where it fails: then the image is left out from now on, so that epochs are alike. */
  async attempt<T>(index: number, run: () => Promise<T>): Promise<T | undefined> {
    if (this.#known.has(index)) return undefined;
    try {
      return await run();
    } catch (error) {
      if (error instanceof SecateurError) throw error;
      this.#leaveOut(index, error as Error);
      return undefined;
    }
  }

  #leaveOut(index: number, { message }: Error): void {
    // Where it was tried twice at once.
    if (this.#known.has(index)) return;
    const { describe, size } = this.#source;
    const [reason] = message.split("\n");
    if (this.#options.strict)
      fail(
        "bad-data",
        `${describe(index)} cannot be read (${reason}); without ${option("strict")} it would be left out`,
      );
    this.#known.add(index);
    this.#options.warn?.(
      `${describe(index)} cannot be read (${reason}) and is left out; so far ${this.#known.size} of ${size}`,
    );
  }
}

/** What images in files are compared with; all that there is has a row for each. */
interface FileTargets {
  readonly shown?: Shown | undefined;
  readonly targets?: Readonly<Record<string, Tensor>> | undefined;
  /** The paths of masks. */
  readonly masks?: readonly string[] | undefined;
}

/** So many images, spread evenly, are looked at for their size. */
const probed = 64;

/** Images in files of their own, with what they are compared with. */
export function fileImages(
  name: string,
  paths: readonly string[],
  { shown, targets, masks }: FileTargets,
  options: EncodedOptions,
): Promise<SampleDataset> {
  const count = Math.min(probed, paths.length);
  return encodedDataset(
    {
      name,
      size: paths.length,
      shown,
      targets,
      mask: masks && (async (index) => ({ what: masks[index]!, bytes: await readFile(masks[index]!) })),
      describe: (index) => paths[index]!,
      read: (index) => readFile(paths[index]!),
      probes: Array.from({ length: count }, (_, i) => Math.floor((i * paths.length) / count)),
    },
    options,
  );
}
