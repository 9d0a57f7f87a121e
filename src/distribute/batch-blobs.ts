/** Minibatches as blobs, and a data set of minibatches that are read when they are asked for. */

import { joinBytes } from "../graph/join-bytes.ts";
import type { Batch, Dataset } from "../data/batches.ts";
import { fail } from "../graph/error.ts";
import { tensor, type Tensor } from "../graph/tensor.ts";
import { decodeSafetensors, encodeSafetensors } from "../onnx/safetensors.ts";

/** The bytes of a minibatch. */
export function encodeBatch({ inputs, target, targets = {}, size }: Batch): Uint8Array {
  const named: [string, Tensor][] = [
    ...Object.entries(inputs).map(([name, one]): [string, Tensor] => [`input/${name}`, one]),
    ...Object.entries(targets).map(([name, one]): [string, Tensor] => [`target/${name}`, one]),
    ...(target ? [["target", target] as [string, Tensor]] : []),
  ];
  for (const [name, { dtype }] of named)
    if (dtype === "string")
      fail("unsupported", `"${name}" of the data holds texts, which do not travel between machines`);
  const pieces = encodeSafetensors({ tensors: new Map(named), metadata: { size: String(size) } });
  return joinBytes(pieces);
}

/** @throws SecateurError `bad-data` for bytes that are no minibatch */
export function decodeBatch(bytes: Uint8Array): Batch {
  const { tensors, metadata } = decodeSafetensors(bytes, "a minibatch");
  const size = Number(metadata["size"]);
  if (!Number.isSafeInteger(size) || size < 1) fail("bad-data", "a minibatch does not say how many samples it has");
  const under = (folder: string) =>
    [...tensors].flatMap(([name, one]): [string, Tensor][] =>
      name.startsWith(folder) ? [[name.slice(folder.length), one]] : [],
    );
  const targets = under("target/");
  const target = tensors.get("target");
  return {
    inputs: Object.fromEntries(under("input/")),
    ...(target && { target }),
    ...(targets.length > 0 && { targets: Object.fromEntries(targets) }),
    size,
  };
}

/** What is known of data besides its samples. */
export type About = Pick<Dataset, "name" | "size" | "classes">;

/**
 * A data set of minibatches that were drawn before, which gives them in their order, whatever seed is asked for.
 *
 * @param read the minibatch of a number; nothing where others look at it, and its place alone counts
 * @param count of all minibatches
 * @param drawn samples of each
 */
export function batchesDataset(
  about: About,
  count: number,
  drawn: number,
  read: (index: number) => Promise<Batch> | undefined,
): Dataset {
  return {
    ...about,
    async *batches({ batchSize, limit = Infinity }) {
      if (batchSize !== drawn)
        fail("internal", `minibatches of ${drawn} samples were drawn, and ${batchSize} are asked for`);
      for (let index = 0; index < Math.min(count, limit); index++) yield (await read(index)) ?? elsewhere(drawn);
    },
  };
}

/** Stands in the place of a minibatch that nobody looks at. */
const elsewhere = (size: number): Batch => ({ inputs: { "": tensor("float32", [size, 0], []) }, size });
