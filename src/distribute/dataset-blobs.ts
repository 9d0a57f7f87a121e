/** A data set as blobs: its samples in chunks, so that whoever works on it needs no files of it. */

import { z } from "zod";
import type { Batch, Dataset } from "../data/batches.ts";
import { builtInLists } from "../data/class-list.ts";
import { pixelDataset } from "../data/images.ts";
import { sampleDataset } from "../data/samples.ts";
import { fail, option } from "../graph/error.ts";
import { bytesOf, sizeOf, type Tensor } from "../graph/tensor.ts";
import { channels, layout, normalise, resize, size } from "../options/data.ts";
import { count } from "../options/kinds.ts";
import { decodeBatch, encodeBatch } from "./batch-blobs.ts";

/** About so many bytes are in a chunk. */
const bytesOfChunk = 2 ** 23;
/** About so many bytes of chunks stay in memory; more are read again when they are asked for. */
const bytesInMemory = 2 ** 30;

const form = z.strictObject({
  ...normalise.shape,
  layout: layout.optional(),
  channels: channels.optional(),
  size: size.optional(),
  resize: resize.optional(),
});

/** What is known of a data set besides its samples, as plain data. */
export const packedData = z.strictObject({
  name: z.string().max(1000),
  size: count.max(2 ** 31),
  /** Samples of each chunk but the last. */
  each: count.max(2 ** 31),
  /** [C, H, W] of its pictures; absent where samples are inputs already. */
  shape: z.tuple([count, count, count]).readonly().optional(),
  form: form.optional(),
  classes: count.optional(),
  labels: z.array(z.string()).readonly().optional(),
  classList: z.string().optional(),
});
export type PackedData = z.infer<typeof packedData>;

/** A data set that was packed. */
export interface Packed {
  readonly about: PackedData;
  /** Digests by names: the targets of pictures first, then chunks in their order. */
  readonly targets?: string;
  readonly chunks: readonly string[];
}

type Put = (bytes: Uint8Array) => Promise<string>;

/**
 * Packs a data set: pictures as bytes before they are normalised, all else as inputs.
 *
 * @param put keeps a blob and gives its digest
 * @throws SecateurError `unsupported` for data that gives its batches in a row, and `bad-data` or `io` as the data
 * has it
 */
export async function packDataset(dataset: Dataset, put: Put): Promise<Packed> {
  const { name, stored, classes, labels, classList } = dataset;
  const size = sizeOfAddressable(dataset);
  const about = {
    name,
    size,
    ...(dataset.form && { form: dataset.form }),
    ...(classes !== undefined && { classes }),
    ...(labels && { labels }),
    ...(classList !== undefined && { classList }),
  };
  const each = Math.max(1, Math.floor(bytesOfChunk / (await bytesOfSample(dataset))));
  const chunks: string[] = [];
  if (stored) {
    const targets = await put(encodeBatch({ inputs: {}, ...stored.targets(), size }));
    for (let at = 0; at < size; at += each)
      chunks.push(await put(encodePictures(await stored.read(at, Math.min(size, at + each)), stored.shape)));
    return { about: { ...about, each, shape: stored.shape }, targets, chunks };
  }
  let packed = 0;
  for await (const batch of dataset.batches({ batchSize: each })) {
    packed += batch.size;
    chunks.push(await put(encodeBatch(batch)));
  }
  if (packed !== size) fail("bad-data", `data set ${name}: ${size - packed} of its ${size} samples cannot be read`);
  return { about: { ...about, each }, chunks };
}

/** About how many bytes a data set is once it is packed. */
export const expectedBytes = async (dataset: Dataset): Promise<number> =>
  sizeOfAddressable(dataset) * (await bytesOfSample(dataset));

function sizeOfAddressable({ name, size, subset }: Dataset): number {
  return size === undefined || !subset
    ? fail(
        "unsupported",
        `data set ${name} gives its batches in a row and does not travel: write its samples to a .npz file, ` +
          `or leave out ${option("queue")}`,
      )
    : size;
}

async function bytesOfSample(dataset: Dataset): Promise<number> {
  if (dataset.stored) return sizeOf(dataset.stored.shape);
  for await (const batch of dataset.batches({ batchSize: 1, limit: 1 }))
    return Object.values(batch.inputs).reduce((all, one) => all + bytesOf(one).length, 0);
  return fail("bad-data", `data set ${dataset.name} has no samples`);
}

type Pictures = Awaited<ReturnType<NonNullable<Dataset["stored"]>["read"]>>;

/** Pictures one behind the other, and which of them can be read. */
function encodePictures(pictures: Pictures, [channels, height, width]: readonly [number, number, number]): Uint8Array {
  const plane = height * width;
  const images = new Uint8Array(pictures.length * channels * plane);
  const isReadable = Uint8Array.from(pictures, (one) => (one ? 1 : 0));
  const masks = pictures.some((one) => one?.mask) ? new Uint8Array(pictures.length * plane) : undefined;
  for (const [i, one] of pictures.entries()) {
    if (one) images.set(one.image, i * channels * plane);
    if (one?.mask) masks!.set(one.mask, i * plane);
  }
  const bytes = (data: Uint8Array, ...shape: number[]): Tensor => ({ dtype: "uint8", shape, data });
  return encodeBatch({
    inputs: {
      images: bytes(images, pictures.length, channels, height, width),
      readable: bytes(isReadable, pictures.length),
      ...(masks && { masks: bytes(masks, pictures.length, height, width) }),
    },
    size: pictures.length,
  });
}

/** Where the blobs of a packed data set are read from. */
export interface PackedBlobs {
  targets(): Promise<Uint8Array>;
  chunk(index: number): Promise<Uint8Array>;
}

/**
 * A data set that was packed: its samples, their order and what is drawn for them are those of the data set that it
 * was packed from. Chunks are read when they are asked for.
 *
 * @throws SecateurError `bad-data` for blobs that are none of such a data set
 */
export async function unpackDataset(about: PackedData, blobs: PackedBlobs): Promise<Dataset> {
  const chunk = inMemory(about, async (index) => decodeBatch(await blobs.chunk(index)));
  const dataset = about.shape
    ? ofPictures({ ...about, shape: about.shape }, decodeBatch(await blobs.targets()), chunk)
    : ofInputs(about, chunk);
  const { classList } = about;
  if (classList === undefined || !builtInLists.includes(classList as never)) return dataset;
  const named = (one: Dataset): Dataset => ({
    ...one,
    classList,
    ...(one.subset && { subset: (indices, name) => named(one.subset!(indices, name)) }),
  });
  return named(dataset);
}

type Chunk = (index: number) => Promise<Batch>;

/** Keeps the chunks that were asked for last. */
function inMemory({ each, size, name }: PackedData, read: Chunk): Chunk {
  const known = new Map<number, Promise<Batch>>();
  const most = Math.max(2, Math.floor(bytesInMemory / bytesOfChunk));
  return (index) => {
    const found =
      known.get(index) ??
      read(index).then((batch) =>
        batch.size === Math.min(each, size - index * each)
          ? batch
          : fail("bad-data", `data set ${name}: chunk ${index} has ${batch.size} samples`),
      );
    known.delete(index);
    known.set(index, found);
    for (const oldest of known.keys()) {
      if (known.size <= most) break;
      known.delete(oldest);
    }
    return found;
  };
}

function ofPictures(
  { name, size, classes, labels, form: given = {}, shape, each }: PackedData & Required<Pick<PackedData, "shape">>,
  { target, targets }: Batch,
  chunk: Chunk,
): Dataset {
  const [pixels, plane] = [sizeOf(shape), shape[1] * shape[2]];
  return pixelDataset(
    {
      ...plain({ name, size, classes, labels }),
      shape,
      ...(target && { target }),
      ...(targets && { targets }),
      async read(indices) {
        const pictures = [];
        for (const index of indices) {
          const { inputs } = await chunk(Math.floor(index / each));
          const { images, readable, masks } = inputs;
          const at = index % each;
          if (!images || !readable || images.data.length !== readable.data.length * pixels)
            fail("bad-data", `data set ${name}: a chunk holds other pictures than it should`);
          const image = (images.data as Uint8Array).subarray(at * pixels, (at + 1) * pixels);
          const mask = (masks?.data as Uint8Array | undefined)?.subarray(at * plane, (at + 1) * plane);
          pictures.push(readable.data[at] === 1 ? { image, ...(mask && { mask }) } : undefined);
        }
        return pictures;
      },
    },
    plain(given),
  );
}

/** A row of a chunk. */
interface Row {
  readonly of: Batch;
  readonly at: number;
}

function ofInputs({ name, size, classes, labels, form: given, each }: PackedData, chunk: Chunk): Dataset {
  return sampleDataset<Row>({
    ...plain({ name, size, classes, labels }),
    ...(given && { form: plain(given) }),
    open(called, { augment }) {
      if (augment)
        fail(
          "bad-option",
          `data set ${called}: augmentation (${option("augment.crop")}, ${option("augment.flip")}) is for ` +
            "images, a single array of uint8",
        );
      return {
        async read(indices) {
          const rows: Row[] = [];
          for (const index of indices) rows.push({ of: await chunk(Math.floor(index / each)), at: index % each });
          return rows;
        },
        toBatch(rows) {
          const { inputs, target, targets } = rows[0]!.of;
          const all = (given: Readonly<Record<string, Tensor>>, part: "inputs" | "targets") =>
            Object.fromEntries(Object.keys(given).map((key) => [key, gather(rows, (batch) => batch[part]?.[key])]));
          return {
            inputs: all(inputs, "inputs"),
            ...(target && { target: gather(rows, (batch) => batch.target) }),
            ...(targets && { targets: all(targets, "targets") }),
            size: rows.length,
          };
        },
      };
    },
  });
}

/** Rows of a tensor of several chunks, one behind the other. */
function gather(rows: readonly Row[], of: (batch: Batch) => Tensor | undefined): Tensor {
  const { dtype, shape, data } = of(rows[0]!.of)!;
  const length = sizeOf(shape.slice(1));
  const Data = data.constructor as new (length: number) => Uint8Array;
  const found = new Data(rows.length * length);
  for (const [i, { of: batch, at }] of rows.entries()) {
    const one = of(batch) ?? fail("bad-data", "the chunks of a data set hold different things");
    found.set((one.data as Uint8Array).subarray(at * length, (at + 1) * length), i * length);
  }
  return { dtype, shape: [rows.length, ...shape.slice(1)], data: found } as Tensor;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** An object without what is not said. */
const plain = <T extends object>(given: T): Defined<T> =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Defined<T>;
