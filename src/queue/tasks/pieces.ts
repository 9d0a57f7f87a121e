/** Long stretches of bytes as blobs of bounded length. */

import { joinBytes } from "../../graph/join-bytes.ts";
import type { Task, Tools } from "../../distribute/task.ts";

/** Bytes of a piece. */
const most = 2 ** 26;

/** The pieces of some bytes, in their order; at least one. */
export const piecesOf = (bytes: Uint8Array): Uint8Array[] =>
  Array.from({ length: Math.max(1, Math.ceil(bytes.length / most)) }, (_, i) =>
    bytes.subarray(i * most, (i + 1) * most),
  );

/** Pieces under the names `NAME/0`, `NAME/1` and so on. */
export const named = <T>(name: string, pieces: readonly T[]): Record<string, T> =>
  Object.fromEntries(pieces.map((piece, i) => [`${name}/${i}`, piece]));

/** How many pieces there are of a name. */
const countOf = (name: string, digests: Task["blobs"]): number =>
  Object.keys(digests).filter((one) => one.startsWith(`${name}/`)).length;

/** The bytes whose pieces are named so. */
export async function wholeOf(name: string, { digests, blob }: Pick<Tools, "digests" | "blob">): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let i = 0; i < Math.max(1, countOf(name, digests)); i++) pieces.push(await blob(`${name}/${i}`));
  if (pieces.length === 1) return pieces[0]!;
  return joinBytes(pieces);
}
