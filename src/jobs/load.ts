/** Models from bytes, wherever these come from. */

import { z } from "zod";
import { fail, option } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import type { ExternalReader } from "../onnx/decode-tensor.ts";
import { loadModel } from "../onnx/load.ts";
import { takes } from "../options/check.ts";
import { bytes, type OptionsOf } from "../options/kinds.ts";
import { runtime } from "../options/machine.ts";
import { seeThrough } from "./see-through.ts";

/** What gives its bytes when asked, as the response of `fetch` and the file of an input element do. */
export interface ByteSource {
  arrayBuffer(): Promise<ArrayBuffer>;
  /** Of a response. */
  readonly ok?: boolean;
  readonly status?: number;
  readonly url?: string;
}

const kinds = {
  /**
   * What computes weights that the model computes from other weights, where there are such;
   * default: the one of {@link useRuntime}.
   */
  runtime: runtime.optional(),
  /**
   * The files that the model keeps tensors in beside it, by the names that it gives them; in Node they are read from
   * its folder.
   */
  external: z.record(z.string(), bytes).optional(),
};

/** Checks the options of reading. */
export const settleLoad = takes("load", kinds);

export interface LoadModelOptions extends OptionsOf<typeof kinds> {}

export type ModelSource = Uint8Array | ArrayBuffer | ByteSource;

/**
 * Reads a model of opset 7 to 26 and brings it to opset 23. In Node, a path or the URL of a file will do as
 * well. Weights that the model computes from other weights alone, as standardised or normalised ones, are
 * computed once and are weights from then on.
 *
 * @example
 * import { load } from "secateur";
 *
 * const model = await load(fetch("model.onnx"));
 * console.log(model.graph.nodes.length);
 *
 * @throws SecateurError `io` for a response that is no success, else as {@link loadModel}
 */
export async function load(source: ModelSource | Promise<ModelSource>, options: LoadModelOptions = {}): Promise<Model> {
  const { runtime, external } = settleLoad(options);
  return seeThrough(loadModel(await bytesOf(await source), external && { external: readerOf(external) }), runtime);
}

/** Reads tensors from files that are at hand. */
function readerOf(files: Readonly<Record<string, Uint8Array>>): ExternalReader {
  return (location, offset, length, tensor) => {
    const file = Object.hasOwn(files, location) ? files[location] : undefined;
    if (file === undefined)
      return fail(
        "bad-model",
        `the tensor "${tensor}" lies in "${location}" beside the model; give that file too, as ${option("external")}`,
      );
    if (offset + length > file.length)
      fail(
        "bad-model",
        `the tensor "${tensor}" should be bytes ${offset} to ${offset + length} of "${location}", ` +
          `which has ${file.length}; is it complete?`,
      );
    return file.subarray(offset, offset + length);
  };
}

async function bytesOf(source: ModelSource): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (typeof source?.arrayBuffer !== "function")
    fail("bad-option", "a model is loaded from bytes, or from what fetch gives; paths are for Node");
  if (source.ok === false) fail("io", `${source.url}: the server answers ${source.status}`);
  return new Uint8Array(await source.arrayBuffer());
}
