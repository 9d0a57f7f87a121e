/** Models from files and into them. */

import { fileURLToPath } from "node:url";
import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import { takes } from "../options/check.ts";
import type { KindsOf } from "../options/kinds.ts";
import { externalAbove, opset } from "../options/model.ts";
import { readModelFile, writeModelFile, type WriteOptions } from "../onnx/files-node.ts";
import type { FileForm } from "../onnx/file-form.ts";
import { nodeRuntime } from "../runtime/workers-node.ts";
import { load as loadBytes, settleLoad, type LoadModelOptions, type ModelSource } from "./load.ts";
import { seeThrough } from "./see-through.ts";

/**
 * Reads a model of opset 7 to 26 and brings it to opset 23: from a file, with the files beside it that its weights lie
 * in, or from bytes, or what `fetch` gives. Weights that the model computes from other weights alone, as standardised
 * or normalised ones, are computed once and are weights from then on.
 *
 * @example
 * import { load } from "secateur";
 *
 * const model = await load("model.onnx");
 * const again = await load(new URL("model.onnx", import.meta.url));
 * console.log(model.graph.nodes.length === again.graph.nodes.length);
 *
 * @throws SecateurError `io` where it cannot be read, else as {@link loadModel}
 */
export async function load(
  source: string | URL | ModelSource | Promise<ModelSource>,
  options: LoadModelOptions = {},
): Promise<Model> {
  const { runtime = nodeRuntime, external } = settleLoad(options);
  return typeof source === "string" || source instanceof URL
    ? seeThrough(await readModelFile(pathOf(source)), runtime)
    : loadBytes(source, { runtime, external });
}

const settleSave = takes("save", {
  opset: opset.optional(),
  externalAbove: externalAbove.optional(),
} satisfies KindsOf<WriteOptions>);

/**
 * Writes a model file, whole or not at all; see {@link writeModelFile}.
 *
 * @example
 * import { newModel, save } from "secateur";
 *
 * await save("lenet.onnx", newModel("lenet5", { classes: 10, seed: 1 }));
 * const { opset } = await save("lenet-17.onnx", newModel("lenet5", { classes: 10, seed: 1 }), { opset: 17 });
 * console.log(opset);
 *
 * @throws SecateurError `io` naming the file and the reason
 */
export async function save(path: string | URL, model: Model, options: WriteOptions = {}): Promise<FileForm> {
  const settled = settleSave(options, model);
  return writeModelFile(pathOf(path), model, settled);
}

function pathOf(path: string | URL): string {
  if (typeof path === "string") return path;
  if (path.protocol !== "file:") fail("bad-option", `${path} is no file; hand load what fetch gives for it`);
  return fileURLToPath(path);
}
