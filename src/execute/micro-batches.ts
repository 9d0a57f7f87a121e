/** A minibatch that is run in pieces, one after the other, so that what is alive at once fits into memory. */

import { fail, option } from "../graph/error.ts";
import type { Graph, ValueInfo } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Session, Tensors } from "../runtime/port.ts";
import { expectedMemory, gigabytes } from "./memory.ts";
import { sliceOf } from "./batch-slices.ts";

export interface MemoryOptions {
  /** Bytes that the process is to stay below, by estimate: a minibatch that would take more is run in pieces. Default: it never is. */
  readonly memory?: number | undefined;
  /** Told where minibatches are run in pieces, how many samples each piece has. */
  readonly onSplit?: ((pieces: number, samples: number) => void) | undefined;
}

/** A graph for the pieces of a batch. */
export interface Pieces<G> {
  readonly pieces: number;
  readonly of: G;
}

/**
 * The graph of a batch, or of the fewest equal pieces of it that stay below the limit.
 *
 * @param model the model: its samples must lie along the first axis of all inputs for a batch to be taken to pieces
 * @param build the graph for so many samples
 * @param bound why the batch has to stay whole, if it has to
 * @throws SecateurError `bad-option` where one sample is too much, `unsupported` where the batch cannot be taken to pieces
 */
export function fitMemory<G extends { readonly graph: Graph }>(
  model: Graph,
  batch: number,
  { memory, onSplit }: MemoryOptions,
  build: (batch: number) => G,
  bound = otherAxis(model),
): Pieces<G> {
  const whole = build(batch);
  if (memory === undefined) return { pieces: 1, of: whole };
  const { fixed, moving } = expectedMemory(whole.graph);
  if (fixed + moving <= memory) return { pieces: 1, of: whole };
  if (bound !== undefined)
    fail(
      "unsupported",
      `a minibatch takes about ${gigabytes(fixed + moving)}, more than ${option("memory")} allows, and cannot be run in pieces, as ${bound}: raise ${option("memory")}, or lower ${option("batchSize")}`,
    );
  const pieces = Array.from({ length: batch }, (_, i) => i + 1).find(
    (count) => batch % count === 0 && fixed + moving / count <= memory,
  );
  if (pieces === undefined)
    fail(
      "bad-option",
      `one sample at a time takes about ${gigabytes(fixed + moving / batch)}, more than ${option("memory")} allows: raise it`,
    );
  onSplit?.(pieces, batch / pieces);
  return { pieces, of: build(batch / pieces) };
}

/** Why samples cannot be told apart by the first axis of all inputs, if they cannot. */
export function otherAxis({ inputs }: Graph): string | undefined {
  const other = inputs.find(({ shape }) => typeof (shape?.[0] ?? 0) === "number");
  return other && `its samples do not lie along the first axis of "${other.name}"`;
}

/** The inputs of a piece as they are for the whole batch. */
export const wholeInputs = (inputs: readonly ValueInfo[], pieces: number): ValueInfo[] =>
  inputs.map((input) => ({
    ...input,
    ...(input.shape && { shape: [(input.shape[0] as number) * pieces, ...input.shape.slice(1)] }),
  }));

/**
 * A session for a whole batch on one for a piece of it.
 *
 * @param sliced the inputs that have a row for each sample; the others are the same for all pieces
 * @param join what all pieces together give for an output
 */
export function inPieces(
  session: Session,
  pieces: number,
  sliced: ReadonlySet<string>,
  join: (output: string, found: readonly Tensors[]) => Tensor,
): Session {
  if (pieces === 1) return session;
  return {
    ...session,
    async run(feeds) {
      const found: Tensors[] = [];
      for (let piece = 0; piece < pieces; piece++) {
        const own = Object.entries(feeds).map(([name, value]) => [
          name,
          sliced.has(name) ? sliceOf(value, piece, pieces) : value,
        ]);
        found.push(await session.run(Object.fromEntries(own) as Tensors));
      }
      return Object.fromEntries(session.outputs.map((name) => [name, join(name, found)]));
    },
  };
}
