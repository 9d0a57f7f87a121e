/** A minibatch that is run in pieces, one after the other, so that what is alive at once fits into memory. */

import { fail, option } from "../graph/error.ts";
import type { Graph, ValueInfo } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Session, Tensors } from "../runtime/port.ts";
import { expectedMemory, gigabytes, type Expected } from "./memory.ts";
import { sliceOf } from "./batch-slices.ts";

export interface MemoryOptions {
  /**
   * Bytes that the process is to stay below, by estimate: a minibatch that would take more is
   * run in pieces. Default: it never is.
   */
  readonly memory?: number | undefined;
  /** Told where minibatches are run in pieces, how many samples each piece has. */
  readonly onSplit?: ((microBatches: number, samples: number) => void) | undefined;
}

/** A graph for the pieces of a batch. */
export interface MicroBatches<G> {
  readonly microBatches: number;
  readonly of: G;
}

/**
 * The graph of a batch, or of the fewest equal pieces of it that stay below the limit.
 *
 * @param model the model: its samples must lie along the first axis of all inputs for a batch to be taken to pieces
 * @param build the graph for so many samples
 * @param bound why the batch has to stay whole, if it has to
 * @param expected the bytes that it takes; default those of its one graph
 * @throws SecateurError `bad-option` where one sample is too much, `unsupported`
 * where the batch cannot be taken to pieces
 */
export function fitMemory<G extends { readonly graph: Graph }>(
  model: Graph,
  batch: number,
  { memory, onSplit }: MemoryOptions,
  build: (batch: number) => G,
  bound?: string,
  expected: (of: G) => Expected = ({ graph }) => expectedMemory(graph),
): MicroBatches<G> {
  const whole = build(batch);
  if (memory === undefined) return { microBatches: 1, of: whole };
  const { fixed, moving } = expected(whole);
  if (fixed + moving <= memory) return { microBatches: 1, of: whole };
  const reason = bound ?? otherAxis(model);
  if (reason !== undefined)
    fail(
      "unsupported",
      `a minibatch takes about ${gigabytes(fixed + moving)}; ${option("memory")} allows less, and micro-batches ` +
        `are not possible, as ${reason}: raise ${option("memory")}, or lower ${option("batchSize")}`,
    );
  const microBatches = Array.from({ length: batch }, (_, i) => i + 1).find(
    (count) => batch % count === 0 && fixed + moving / count <= memory,
  );
  if (microBatches === undefined)
    fail(
      "bad-option",
      `one sample at a time takes about ${gigabytes(fixed + moving / batch)}, more than ${option("memory")} ` +
        "allows: raise it",
    );
  onSplit?.(microBatches, batch / microBatches);
  return { microBatches, of: build(batch / microBatches) };
}

/** Why samples cannot be told apart by the first axis of all inputs, if they cannot. */
export function otherAxis({ inputs }: Graph): string | undefined {
  const other = inputs.find(({ shape }) => typeof (shape?.[0] ?? 0) === "number");
  return other && `its samples do not lie along the first axis of "${other.name}"`;
}

/** The inputs of a piece as they are for the whole batch. */
export const minibatchInputs = (inputs: readonly ValueInfo[], microBatches: number): ValueInfo[] =>
  inputs.map((input) => ({
    ...input,
    ...(input.shape && { shape: [(input.shape[0] as number) * microBatches, ...input.shape.slice(1)] }),
  }));

/**
 * A session for a whole batch on one for a piece of it.
 *
 * @param sliced the inputs that have a row for each sample; the others are the same for all pieces
 * @param join what all pieces together give for an output
 */
export function inMicroBatches(
  session: Session,
  microBatches: number,
  sliced: ReadonlySet<string>,
  join: (output: string, found: readonly Tensors[]) => Tensor,
): Session {
  if (microBatches === 1) return session;
  return {
    ...session,
    async run(feeds) {
      const found: Tensors[] = [];
      for (let microBatch = 0; microBatch < microBatches; microBatch++) {
        const own = Object.entries(feeds).map(([name, value]) => [
          name,
          sliced.has(name) ? sliceOf(value, microBatch, microBatches) : value,
        ]);
        found.push(await session.run(Object.fromEntries(own) as Tensors));
      }
      return Object.fromEntries(session.outputs.map((name) => [name, join(name, found)]));
    },
  };
}
