/** The models that are open, and what is known of them. */

import { load, SecateurError, type Model } from "secateur";
import { analyse, normaliseGraph, type Analysis } from "secateur/graph";
import type { Calls, Calling, GivenFile, NetworkView, Slot } from "./calls.ts";
import { describe } from "./describe.ts";
import { runtime } from "./runtime.ts";

export interface Opened {
  readonly name: string;
  readonly model: Model;
  readonly analysis: Analysis;
  readonly view: NetworkView;
}

const open = new Map<Slot, Opened>();

/** @throws SecateurError `bad-option` where none is open */
export function opened(slot: Slot = "main"): Opened {
  const one = open.get(slot);
  if (one === undefined) throw new SecateurError("bad-option", "no model is open; drop one on the page");
  return one;
}

/** Opens a model with the files beside it; what was open in that place is let go once the new one is there. */
export async function openModel({ slot, files }: Calls["open"]["args"], { progress }: Calling): Promise<NetworkView> {
  const file = modelAmong(files);
  progress({ done: 0, what: "reading" });
  const bytes = new Uint8Array(await file.blob.arrayBuffer());
  const model = await withRuntime(bytes, await besides(file, files));
  progress({ done: 0, what: "finding what goes together" });
  const analysis = analyse(normaliseGraph(model.graph));
  const view = describe(nameOf(file.path), bytes.length, model, analysis);
  open.set(slot, { name: nameOf(file.path), model, analysis, view });
  return view;
}

/** Reads a model; the runtime is loaded only where weights have to be computed from others. */
async function withRuntime(bytes: Uint8Array, external: Record<string, Uint8Array>): Promise<Model> {
  try {
    return await load(bytes, { external });
  } catch (error) {
    if (!(error instanceof SecateurError) || !error.message.startsWith("there is no runtime yet")) throw error;
    return load(bytes, { external, runtime: await runtime() });
  }
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/") + 1);

function modelAmong(files: readonly GivenFile[]): GivenFile {
  const models = files.filter(({ path }) => /\.onnx$/i.test(path));
  if (models.length === 1) return models[0]!;
  const only = files.length === 1 ? files[0] : undefined;
  if (only) return only;
  throw new SecateurError(
    "bad-option",
    models.length === 0
      ? "none of these files is a model: drop a file that ends in .onnx"
      : `these are ${models.length} models (${models.map(({ path }) => path).join(", ")}): drop one at a time`,
  );
}

/** The other files of the model's folder, by their names relative to it. */
async function besides(model: GivenFile, files: readonly GivenFile[]): Promise<Record<string, Uint8Array>> {
  const folder = folderOf(model.path);
  const found: Record<string, Uint8Array> = {};
  for (const { path, blob } of files)
    if (path !== model.path && path.startsWith(folder))
      found[path.slice(folder.length)] = new Uint8Array(await blob.arrayBuffer());
  return found;
}
