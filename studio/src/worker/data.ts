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
  const { notes, ...data } = archive
    ? await ofArchive(archive, model)
    : await ofPictures(files.filter(isPicture), model, calling);
  given = { of: model, data };
  return { name: data.dataset.name, samples: data.dataset.size ?? 0, labelled: data.labelled, notes };
}

async function ofArchive({ path, blob }: GivenFile, model: Model): Promise<OpenData & { notes: string[] }> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const dataset = await npzDataset(path, bytes, { ...formOf(model), model });
  for await (const { target, targets } of dataset.batches({ batchSize: 1, limit: 1 })) {
    const labelled = target !== undefined || targets !== undefined;
    return { dataset, labelled, notes: labelled ? [] : ["there are no targets: the model draws its own"] };
  }
  throw new SecateurError("bad-data", `${path} has no samples`);
}

/** What the model's file says of pixels. */
function formOf(model: Model): PixelForm {
  const { form, input } = preprocessingOf(model);
  const { size: _, resize: __, ...pixels } = { ...input, ...form };
  return pixels;
}

async function ofPictures(
  files: readonly GivenFile[],
  model: Model,
  { progress, signal }: Calling,
): Promise<OpenData & { notes: string[] }> {
  if (files.length === 0)
    throw new SecateurError("bad-data", "there are no pictures and no .npz file among these: drop one of them");
  const { width, height, channels } = sizeOf(model);
  const step = Math.max(1, files.length / mostPictures);
  const chosen = Array.from({ length: Math.min(files.length, mostPictures) }, (_, i) => files[Math.floor(i * step)]!);
  const classes = classesOf(chosen);
  const outputs = model.graph.outputs[0]?.shape?.at(-1);
  const isLabelled = classes.length > 1 && classes.length === outputs;
  const pixels = width * height;
  const images = new Uint8Array(chosen.length * channels * pixels);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const unread: string[] = [];
  let count = 0;
  const labels: number[] = [];
  const paths: string[] = [];
  for (const [i, { path, blob }] of chosen.entries()) {
    signal.throwIfAborted();
    const picture = await createImageBitmap(blob, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" })
      // What is no picture is counted, and named below.
      .catch(() => undefined);
    if (picture === undefined) unread.push(path);
    else {
      context.drawImage(picture, 0, 0);
      picture.close();
      writePlanes(context.getImageData(0, 0, width, height).data, images.subarray(count * channels * pixels), channels);
      paths.push(path);
      labels.push(classes.indexOf(folderOf(path)));
      count++;
    }
    progress({ done: i + 1, all: chosen.length, what: "reading pictures" });
  }
  if (count === 0) throw new SecateurError("bad-data", `none of the ${chosen.length} pictures can be read`);
  const shape = [count, channels, height, width];
  const dataset = arrayDataset(
    {
      name: `${count} pictures`,
      inputs: { "": { dtype: "uint8", shape, data: images.subarray(0, count * channels * pixels) } },
      ...(isLabelled && { target: { dtype: "int32", shape: [count], data: Int32Array.from(labels) } }),
    },
    formOf(model),
  );
  return {
    dataset,
    labelled: isLabelled,
    paths,
    notes: [
      `resized to ${width} × ${height}`,
      ...(chosen.length < files.length ? [`${chosen.length} of ${files.length} are used`] : []),
      ...(unread.length > 0 ? [`${unread.length} cannot be read, such as ${unread[0]}`] : []),
      isLabelled
        ? `the ${classes.length} folders are the classes, in the order of the alphabet`
        : "the folders are not the model's classes: it draws its own",
    ],
  };
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
