/** Digests of what work is made of, so that parts of other work are told apart. */

import type { Batch } from "../data/batches.ts";
import { fail } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import { bytesOf, type Tensor } from "../graph/tensor.ts";
import { encodeModelExternal } from "../onnx/encode.ts";

const utf8 = new TextEncoder();

/** Longer stretches are hashed by pieces, as they would be copied as a whole. */
const mostAtOnce = 2 ** 26;

/**
 * SHA-256 in hexadecimal.
 *
 * @throws SecateurError `unsupported` where a browser withholds it
 */
export async function sha256(content: string | Uint8Array): Promise<string> {
  const bytes = typeof content === "string" ? utf8.encode(content) : content;
  // oxlint-disable-next-line typescript/no-unnecessary-condition
  if (!globalThis.crypto?.subtle)
    fail("unsupported", "parts are told apart by SHA-256, which a browser has on pages of https and localhost only");
  // Weights may lie in memory that threads share, of which no digest is taken.
  const own = bytes.buffer instanceof ArrayBuffer ? bytes : bytes.slice();
  const digest = await globalThis.crypto.subtle.digest("SHA-256", own as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The digest of the digests of several pieces. */
async function digestOf(pieces: Iterable<string | Uint8Array>): Promise<string> {
  const digests: string[] = [];
  for (const piece of pieces)
    if (typeof piece === "string" || piece.length <= mostAtOnce) digests.push(await sha256(piece));
    else
      for (let at = 0; at < piece.length; at += mostAtOnce)
        digests.push(await sha256(piece.subarray(at, at + mostAtOnce)));
  return sha256(digests.join("\n"));
}

/** The digest of a model: of its graph and of its weights, wherever its files keep them. */
export async function digestOfModel(model: Model): Promise<string> {
  const { bytes, data } = encodeModelExternal(model, "weights");
  return digestOf([bytes, ...data]);
}

/** The digest of a minibatch: of inputs and targets by their names. */
export function digestOfBatch({ inputs, target, targets = {} }: Batch): Promise<string> {
  const tensors = [
    ...Object.entries(inputs),
    ...Object.entries(targets).map(([name, value]): [string, Tensor] => [`target/${name}`, value]),
    ...(target ? [["target", target] as [string, Tensor]] : []),
  ];
  return digestOf(
    tensors
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, value]) => [JSON.stringify([name, value.dtype, value.shape]), contentOf(value)]),
  );
}

const contentOf = (value: Tensor): string | Uint8Array =>
  value.dtype === "string" ? JSON.stringify(value.data) : bytesOf(value);

/** Options as plain JSON, with the digest of each model among them in its place, wherever its file is. */
export async function plainOf(value: unknown): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map(plainOf));
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray((value as Partial<Model>).graph?.nodes)) return `sha256:${await digestOfModel(value as Model)}`;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  const plain: [string, unknown][] = [];
  const isRead = "model" in value;
  for (const [name, one] of entries)
    if (one !== undefined && !(isRead && name === "file")) plain.push([String(name), await plainOf(one)]);
  return Object.fromEntries(plain.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
