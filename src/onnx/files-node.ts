/** Model files on disk, with what they keep in files beside them. */

import { closeSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { fail, SecateurError } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import { isLazy } from "../graph/tensor.ts";
import { describeIo, liesIn, writeFileAtomic } from "./atomic-node.ts";
import type { ExternalReader } from "./decode-tensor.ts";
import { encodeAsIs, encodeModelExternal, tensorBytes } from "./encode.ts";
import { fileForm, type FormOptions, type FileForm } from "./file-form.ts";
import { loadModel } from "./load.ts";

/** A model file is one protobuf message, which has less than 2 GiB. */
const modelLimit = 2 ** 31;

interface OpenFile {
  readonly handle: number;
  readonly size: number;
}

function openFile(path: string, what: string): OpenFile {
  try {
    // Opening a pipe would wait for somebody to write to it.
    const stats = statSync(path);
    if (stats.isFile()) return { handle: openSync(path, "r"), size: stats.size };
  } catch (error) {
    fail("io", `cannot read ${what}: ${describeIo(error)}`, error);
  }
  return fail("io", `cannot read ${what}: it is a folder or no regular file; name a file`);
}

function readPart({ handle }: OpenFile, offset: number, length: number, what: string): Uint8Array {
  const bytes = new Uint8Array(length);
  try {
    for (let at = 0; at < length;) {
      const count = readSync(handle, bytes, at, Math.min(length - at, 2 ** 30), offset + at);
      if (count === 0) fail("io", `cannot read ${what}: it ends too soon; is it still being written?`);
      at += count;
    }
  } catch (error) {
    if (error instanceof Error && "errno" in error) fail("io", `cannot read ${what}: ${describeIo(error)}`, error);
    throw error;
  }
  return bytes;
}

/** The path of an external file, which must lie within the folder of the model, links followed. */
function confine(folder: string, location: string, tensor: string): string {
  const whose = `the data of the tensor "${tensor}"`;
  const outside = (): never =>
    fail("bad-model", `${whose} is said to lie in "${location}", outside the folder of the model; that is not read`);
  if (isAbsolute(location) || /^[a-z]:|^[\\/]/i.test(location) || location.includes("\0")) outside();
  if (location.split(/[\\/]/).includes("..")) outside();
  let path: string;
  try {
    path = realpathSync(resolve(folder, location));
  } catch (error) {
    return fail(
      "io",
      `cannot read "${location}", which holds ${whose}: ${describeIo(error)}; put it beside the model`,
      error,
    );
  }
  if (!liesIn(folder, path)) outside();
  return path;
}

/** Tensors may share what they are made of, as tied weights do, but not fill memory from a small file. */
const mostShared = 16;

/** What tensors take of one file: equal stretches or such that do not meet. */
class Stretches {
  readonly #known: { readonly from: number; readonly to: number; readonly tensor: string }[] = [];
  #total = 0;

  add(from: number, to: number, tensor: string, location: string, size: number): void {
    this.#total += to - from;
    if (this.#total > mostShared * size)
      fail(
        "bad-model",
        `tensors take more than ${mostShared} times the ${size} bytes of "${location}"; the file is damaged`,
      );
    if (from === to) return;
    let [low, high] = [0, this.#known.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#known[middle]!.from < from) low = middle + 1;
      else high = middle;
    }
    const [before, after] = [this.#known[low - 1], this.#known[low]];
    if (after?.from === from && after.to === to) return;
    const met = before && before.to > from ? before : after && after.from < to ? after : undefined;
    if (met)
      fail("bad-model", `the tensors "${met.tensor}" and "${tensor}" overlap in "${location}"; the file is damaged`);
    this.#known.splice(low, 0, { from, to, tensor });
  }
}

interface Folder {
  readonly read: ExternalReader;
  readonly close: () => void;
  /** The paths of files that tensors lie in, by the names that the model gives them. */
  readonly named: ReadonlyMap<string, string>;
}

/** Reads external data below `folder`. Files stay open until `close`; after it each read opens its own. */
function openFolder(folder: string): Folder {
  const named = new Map<string, string>();
  const files = new Map<string, OpenFile>();
  const stretches = new Map<string, Stretches>();
  let closed = false;
  const root = realpathSync(folder);
  const find = (location: string, offset: number, length: number, tensor: string) => {
    const path = confine(root, location, tensor);
    const what = `"${location}", which holds the tensor "${tensor}"`;
    const file = files.get(path) ?? openFile(path, what);
    if (!closed) {
      files.set(path, file);
      named.set(location, path);
    }
    if (offset + length > file.size) {
      const range = `bytes ${offset} to ${offset + length}`;
      fail(
        "bad-model",
        `the tensor "${tensor}" should be ${range} of "${location}", which has ${file.size}; is it complete?`,
      );
    }
    if (!closed) {
      const known = stretches.get(path) ?? new Stretches();
      stretches.set(path, known);
      known.add(offset, offset + length, tensor, location, file.size);
    }
    return { file, what };
  };
  const read = (location: string, offset: number, length: number, tensor: string): Uint8Array => {
    const { file, what } = find(location, offset, length, tensor);
    try {
      return readPart(file, offset, length, what);
    } finally {
      if (closed) closeSync(file.handle);
    }
  };
  const close = (): void => {
    closed = true;
    files.forEach(({ handle }) => closeSync(handle));
    files.clear();
  };
  const check = (...where: Parameters<typeof read>): void => void find(...where);
  return { read: Object.assign(read, { check }), close, named };
}

/**
 * Reads a model of opset 7 to 26 with its external data, and brings it to opset 23. Files that the model
 * names are read only from its own folder and those below; large tensors once they are needed, so that
 * they must stay as they are until then.
 *
 * @throws SecateurError `io` where a file cannot be read, else as {@link loadModel}, the file named in front.
 */
export const readModelFile = async (path: string): Promise<Model> => readWithFolder(path).model;

/**
 * The files that a model keeps weights in, by the names that it gives them. All are in its folder or below it.
 *
 * @throws SecateurError as {@link readModelFile}
 */
export const externalFiles = (path: string): ReadonlyMap<string, string> => readWithFolder(path).named;

function readWithFolder(path: string): { readonly model: Model; readonly named: ReadonlyMap<string, string> } {
  const file = openFile(path, path);
  let bytes: Uint8Array;
  try {
    if (file.size === 0) fail("bad-model", `${path} is empty; export or download it again`);
    if (file.size >= modelLimit)
      fail(
        "unsupported",
        `${path} has ${(file.size / 1e9).toFixed(2)} GB, and an ONNX file holds less than 2.15; ` +
          "keep its weights as external data",
      );
    bytes = readPart(file, 0, file.size, path);
  } finally {
    closeSync(file.handle);
  }
  const folder = openFolder(dirname(resolve(realpathSync(path))));
  try {
    return { model: loadModel(bytes, { external: folder.read, share: true }), named: folder.named };
  } catch (error) {
    if (error instanceof SecateurError) fail(error.code, `${path}: ${error.message}`, error);
    throw error;
  } finally {
    folder.close();
  }
}

export interface WriteOptions extends FormOptions {
  /** Weights lie in a file of their own, `<name>.data`, where all tensors together have more bytes than this. */
  readonly externalAbove?: number;
}

/**
 * Writes a model file, whole or not at all. Above 1.9 GB, and where large weights were read from a file of their own,
 * they go to `<name>.data` beside it, written first. The opset and the IR version are those of the file that the model
 * came from, unless another opset is asked for or needed. Which it is, and for which nodes it had to be raised, is
 * returned.
 *
 * @throws SecateurError `io` naming the file and the reason.
 */
export async function writeModelFile(path: string, loaded: Model, options: WriteOptions = {}): Promise<FileForm> {
  const { externalAbove = 1.9e9 } = options;
  const { model, ...written } = fileForm(loaded, options);
  const apart = [...model.graph.initializers.values()].some(isLazy);
  if (!apart && tensorBytes(model.graph) <= externalAbove) {
    await writeFileAtomic(path, encodeAsIs(model));
    return written;
  }
  const location = `${basename(path)}.data`;
  const { bytes, data } = encodeModelExternal(model, location);
  await writeFileAtomic(join(dirname(path), location), data, { replaceLink: true });
  await writeFileAtomic(path, bytes);
  return written;
}
