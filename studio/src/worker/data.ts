/** Data that was dropped on the page: pictures in folders, or arrays of NumPy. */

import {
  arrayDataset,
  npzDataset,
  preprocessingOf,
  SecateurError,
  type Dataset,
  type Model,
  type PixelForm,
} from "secateur";
import type { Calling, Calls, DataView, GivenFile } from "./calls.ts";
import { opened } from "./models.ts";
import { pairsOf, type Labelled } from "./table.ts";

export interface OpenData {
  readonly dataset: Dataset;
  readonly labelled: boolean;
  /** The paths of its pictures, in their order. */
  readonly paths?: readonly string[];
}

let given: { readonly of: Model; readonly data: OpenData } | undefined;

const isPicture = ({ path }: GivenFile): boolean => /\.(png|jpe?g|webp|gif|bmp|avif)$/i.test(path);
/** Pictures beyond this many are left out, evenly: scores need no more, and each takes memory. */
const mostPictures = 2000;

/** What was dropped for a model, if anything was. */
export const dataOf = (model: Model): OpenData | undefined => (given?.of === model ? given.data : undefined);

/** @throws SecateurError `bad-data` where nothing was dropped yet */
export function dataFor(model: Model): OpenData {
  const data = dataOf(model);
  if (data === undefined)
    throw new SecateurError("bad-data", "this needs data: drop pictures or an .npz file on the page");
  return data;
}

/** Reads what was dropped, in the form that the model takes. */
export async function openData({ files }: Calls["data"]["args"], calling: Calling): Promise<DataView> {
  const { model } = opened();
  const archive = files.find(({ path }) => /\.npz$/i.test(path));
  const { notes, ...data } = archive ? await ofArchive(archive, model) : await ofPictures(files, model, calling);
  given = { of: model, data };
  return { name: data.dataset.name, samples: data.dataset.size ?? 0, labelled: data.labelled, notes };
}

async function ofArchive({ path, blob }: GivenFile, model: Model): Promise<OpenData & { notes: string[] }> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const dataset = await npzDataset(path, bytes, { ...formOf(model), model });
  for await (const { target, targets } of dataset.batches({ batchSize: 1, limit: 1 })) {
    const labelled = target !== undefined || targets !== undefined;
    return {
      dataset,
      labelled,
      notes: labelled ? [] : ["there are no targets: the model's own answers stand in for them"],
    };
  }
  throw new SecateurError("bad-data", `${path} has no samples`);
}

/** What the model's file says of pixels. */
function formOf(model: Model): PixelForm {
  const { form, input } = preprocessingOf(model);
  const { size: _, resize: __, ...pixels } = { ...input, ...form };
  return pixels;
}

/** Pictures with the class of each, where these are known, and what the page says of that. */
interface Listed {
  readonly files: readonly Labelled[];
  readonly isLabelled: boolean;
  readonly note: string;
}

/** Which class each picture is: by a table that was dropped with them, else by their folders. */
async function listed(files: readonly GivenFile[], model: Model): Promise<Listed> {
  const pictures = files.filter(isPicture);
  if (pictures.length === 0)
    throw new SecateurError("bad-data", "there are no pictures and no .npz file among these: drop one of them");
  const last = model.graph.outputs[0]?.shape?.at(-1);
  const outputs = typeof last === "number" ? last : undefined;
  const table = files.find(({ path }) => /\.csv$/i.test(path));
  if (table)
    return { files: await pairsOf(table, pictures, outputs), isLabelled: true, note: `${table.path} has the classes` };
  const classes = classesOf(pictures);
  const isLabelled = classes.length > 1 && classes.length === outputs;
  return {
    files: pictures.map((file) => ({ file, classId: classes.indexOf(folderOf(file.path)) })),
    isLabelled,
    note: isLabelled
      ? `the ${classes.length} folders are the classes, in the order of the alphabet`
      : "the folders are not the model's classes: its own answers stand in for labels",
  };
}

async function ofPictures(
  files: readonly GivenFile[],
  model: Model,
  calling: Calling,
): Promise<OpenData & { notes: string[] }> {
  const { files: all, isLabelled, note } = await listed(files, model);
  const step = Math.max(1, all.length / mostPictures);
  const chosen = Array.from({ length: Math.min(all.length, mostPictures) }, (_, i) => all[Math.floor(i * step)]!);
  const size = sizeOf(model);
  const { images, read, unread } = await pixelsOf(chosen, size, calling);
  if (read.length === 0) throw new SecateurError("bad-data", `none of the ${chosen.length} pictures can be read`);
  const labels = Int32Array.from(read, ({ classId }) => classId);
  const dataset = arrayDataset(
    {
      name: `${read.length} pictures`,
      inputs: {
        "": { dtype: "uint8", shape: [read.length, size.channels, size.height, size.width], data: images },
      },
      ...(isLabelled && { target: { dtype: "int32", shape: [read.length], data: labels } }),
    },
    formOf(model),
  );
  return {
    dataset,
    labelled: isLabelled,
    paths: read.map(({ file }) => file.path),
    notes: [
      `resized to ${size.width} × ${size.height}`,
      ...(chosen.length < all.length ? [`${chosen.length} of ${all.length} are used`] : []),
      ...(unread.length > 0 ? [`${unread.length} cannot be read, such as ${unread[0]!.file.path}`] : []),
      note,
    ],
  };
}

/** The pixels [N, C, H, W] of all pictures that can be read, in their order. */
async function pixelsOf(
  chosen: readonly Labelled[],
  { width, height, channels }: ReturnType<typeof sizeOf>,
  { progress, signal }: Calling,
): Promise<{ images: Uint8Array; read: Labelled[]; unread: Labelled[] }> {
  const each = width * height * channels;
  const images = new Uint8Array(chosen.length * each);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  const [read, unread]: [Labelled[], Labelled[]] = [[], []];
  for (const [i, one] of chosen.entries()) {
    signal.throwIfAborted();
    const resized = { resizeWidth: width, resizeHeight: height, resizeQuality: "high" } as const;
    // What is no picture is counted, and the page names it.
    const picture = await createImageBitmap(one.file.blob, resized).catch(() => undefined);
    if (picture === undefined) unread.push(one);
    else {
      context.drawImage(picture, 0, 0);
      picture.close();
      writePlanes(context.getImageData(0, 0, width, height).data, images.subarray(read.length * each), channels);
      read.push(one);
    }
    progress({ done: i + 1, all: chosen.length, what: "reading pictures" });
  }
  return { images: images.subarray(0, read.length * each), read, unread };
}

/** The size of the pictures that a model takes: its own, or what its file's metadata says. */
function sizeOf(model: Model): { width: number; height: number; channels: number } {
  const [input] = model.graph.inputs;
  const { form, input: own } = preprocessingOf(model);
  const shape = input?.shape ?? [];
  if (model.graph.inputs.length !== 1 || shape.length !== 4)
    throw new SecateurError(
      "bad-data",
      "pictures are for models with one input of four axes; this model has others: drop an .npz file with its inputs",
    );
  const isLast = own.layout === "nhwc" || form.layout === "nhwc";
  const [channels, height, width] = isLast ? [shape[3], shape[1], shape[2]] : shape.slice(1);
  const fixed = (size: number | string | undefined, other: number): number => (typeof size === "number" ? size : other);
  return { width: fixed(width, 224), height: fixed(height, 224), channels: fixed(channels, 3) === 1 ? 1 : 3 };
}

const folderOf = (path: string): string => path.split("/").at(-2) ?? "";
const classesOf = (files: readonly GivenFile[]): string[] =>
  [...new Set(files.map(({ path }) => folderOf(path)))].sort();

/** RGBA of a canvas as planes; grey by the weights of ITU-R BT.601, as PIL has it. */
function writePlanes(rgba: Uint8ClampedArray, into: Uint8Array, channels: number): void {
  const pixels = rgba.length / 4;
  for (let i = 0; i < pixels; i++) {
    const [r, g, b] = [rgba[4 * i]!, rgba[4 * i + 1]!, rgba[4 * i + 2]!];
    if (channels === 1) into[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
    else {
      into[i] = r;
      into[pixels + i] = g;
      into[2 * pixels + i] = b;
    }
  }
}
