/** Models as blobs: the graph, and the weights in pieces. */

import type { Tools } from "../../distribute/task.ts";
import { fail } from "../../graph/error.ts";
import type { Model } from "../../graph/graph.ts";
import { encodeModelExternal } from "../../onnx/encode.ts";
import { loadModel } from "../../onnx/load.ts";

/** Bytes of a piece. */
const most = 2 ** 26;

/** A model in blobs by their names: `model`, and `weights/0` and so on. One piece is made at a time. */
export function* encodeModelBlobs(model: Model): Generator<readonly [name: string, bytes: Uint8Array]> {
  const { bytes, data } = encodeModelExternal(model, "weights");
  yield ["model", bytes];
  let [piece, filled, number] = [new Uint8Array(most), 0, 0];
  for (const given of data)
    for (let at = 0; at < given.length;) {
      const part = given.subarray(at, at + most - filled);
      piece.set(part, filled);
      at += part.length;
      filled += part.length;
      if (filled < most) continue;
      yield [`weights/${number++}`, piece];
      [piece, filled] = [new Uint8Array(most), 0];
    }
  if (filled > 0) yield [`weights/${number}`, piece.subarray(0, filled)];
}

/** The blobs that a model of a task is in, in their order. */
const partsOf = (digests: Tools["digests"]): readonly string[] => [
  "model",
  ...Object.keys(digests)
    .filter((name) => name.startsWith("weights/"))
    .map((_, i) => `weights/${i}`),
];

/** What tells the model of a task from all others. */
export const modelNameOf = (digests: Tools["digests"]): string =>
  partsOf(digests)
    .map((name) => digests[name])
    .join(" ");

/**
 * The model of a task.
 *
 * @throws SecateurError `bad-model` as {@link loadModel}
 */
export async function decodeModelOf({ digests, blob }: Pick<Tools, "digests" | "blob">): Promise<Model> {
  const pieces: Uint8Array[] = [];
  for (const name of partsOf(digests)) pieces.push(await blob(name));
  return decode(pieces);
}

function decode([bytes, ...pieces]: readonly Uint8Array[]): Model {
  const read = (_: string, offset: number, length: number): Uint8Array => {
    const found = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const [number, from] = [Math.floor((offset + at) / most), (offset + at) % most];
      const part = pieces[number]?.subarray(from, from + length - at) ?? new Uint8Array();
      if (part.length === 0) fail("bad-model", "the weights of the model end before their end");
      found.set(part, at);
      at += part.length;
    }
    return found;
  };
  return loadModel(bytes!, { external: read });
}
