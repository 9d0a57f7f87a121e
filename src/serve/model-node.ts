/** A model on the disk as the page gets it: its bytes, and the files beside it that hold its weights. */

import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { externalFiles } from "../onnx/files-node.ts";
import { sendFile, sendMissing, type Exchange } from "./answer-node.ts";
import { plainBytes } from "./headers.ts";

export interface ServedModel {
  readonly path: string;
  /** The paths of the files that hold weights, by the names that the model gives them. */
  readonly external: ReadonlyMap<string, string>;
}

/**
 * Looks at a model once, so that only what it names is served.
 *
 * @throws SecateurError as {@link externalFiles}: what the server cannot read, the page cannot open
 */
export const openModel = (path: string): ServedModel => ({ path, external: externalFiles(path) });

export async function describeModel({ path, external }: ServedModel): Promise<object> {
  const { size } = await stat(path);
  return { name: basename(path), bytes: size, external: [...external.keys()] };
}

/** @param rest of the address: nothing for the model, `external` and a name, which may have slashes, for its weights */
export function sendModel(exchange: Exchange, model: ServedModel | undefined, rest: readonly string[]): Promise<void> {
  const [kind, ...name] = rest;
  const path = kind === undefined ? model?.path : kind === "external" ? model?.external.get(name.join("/")) : undefined;
  if (path !== undefined) return sendFile(exchange, path, plainBytes);
  sendMissing(exchange);
  return Promise.resolve();
}
