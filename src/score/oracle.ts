/** The oracle: the loss with units really masked, many masks at once behind what all of them share. */

import type { Evidence } from "../criteria/criterion.ts";
import { mostCombined } from "../criteria/oracle-combinatorial.ts";
import type { Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import { sliceOf } from "../execute/batch-slices.ts";
import { executable } from "../execute/executable.ts";
import { feedsOf, targetFeeds } from "../execute/feeds.ts";
import { minibatchInputs } from "../execute/micro-batches.ts";
import { wholeBatches } from "../execute/minibatches.ts";
import { fail } from "../graph/error.ts";
import type { Graph, ValueInfo } from "../graph/graph.ts";
import { sizeOf, type NumericDType, type Shape, type Tensor, zeros } from "../graph/tensor.ts";
import { classesIn } from "../objective/objective.ts";
import { widen } from "../passes/widen.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import type { Group } from "../prune/coupling/groups.ts";
import { held, type Held, type Runtime, type Session, type Tensors } from "../runtime/port.ts";
import type { Suffix } from "./oracle-graphs.ts";
import { oracleGraphs, piecesOf } from "./oracle-memory.ts";
import type { EvidenceProvider, ProviderOptions } from "./provider.ts";

/** A minibatch that has been run without masks. */
export interface Unmasked {
  /** The mean loss. */
  readonly loss: number;
  /** What suffixes read: activations by name, and the target. */
  readonly values: Tensors;
}

export interface Oracle extends Pick<EvidenceProvider, "inputs" | "objective">, Held {
  /** Those that it was opened for. */
  readonly groups: readonly Group[];
  /** Runs a minibatch without masks. */
  start(feeds: Tensors): Promise<Unmasked>;
  /**
   * The mean loss of the minibatch with each of some subsets of a group's units masked.
   *
   * @param factor what their gates are set to; default 0
   */
  losses(
    group: string,
    subsets: readonly (readonly number[])[],
    minibatch: Unmasked,
    factor?: number,
  ): Promise<Float64Array>;
}

/**
 * Opens the oracle over some groups of a model, in inference mode. What no mask of a group reaches is run once for a
 * minibatch; the rest is run for several masks at once, where the samples of the batch can be told apart.
 *
 * @param of the groups; default all
 * @throws SecateurError `bad-option` for a group that the model does not have
 */
export async function openOracle(
  runtime: Runtime,
  graph: Graph,
  options: ProviderOptions,
  of?: readonly string[],
): Promise<Oracle> {
  const { groups, prefix, suffixes, room } = oracleGraphs(graph, options, of);
  const session = await runtime.load(executable(prefix.graph, options.device), options);
  const tails = new Map<string, Session>();
  const most = Math.max(0, ...[...suffixes.values()].map(({ bytes }) => bytes));
  let kept = 0;
  /** Each group comes once for a minibatch: what fits beside the largest stays, and the others are loaded anew. */
  const withTail = async <T>(name: string, use: (suffix: Suffix, session: Session) => Promise<T>): Promise<T> => {
    const { suffix, bytes } = suffixes.get(name) ?? fail("bad-option", `the oracle was not opened for group "${name}"`);
    const known = tails.get(name);
    if (known) return use(suffix, known);
    const loaded = await runtime.load(executable(suffix.graph, options.device), options);
    if (kept + bytes + most <= room) {
      kept += bytes;
      tails.set(name, loaded);
      return use(suffix, loaded);
    }
    try {
      return await use(suffix, loaded);
    } finally {
      await loaded.dispose();
    }
  };
  return {
    groups,
    inputs: prefix.graph.inputs,
    objective: prefix.objective,
    async start(feeds) {
      const results = await session.run(feeds);
      return { loss: Number(results["loss"]!.data[0]), values: { ...feeds, ...results } };
    },
    async losses(name, subsets, { values }, factor = 0) {
      const units = groups.find((group) => group.name === name)?.units.length ?? 0;
      return withTail(name, (suffix, tail) => run(suffix, tail, units, subsets, values, factor));
    },
    ...held(async () => {
      await session.dispose();
      for (const tail of tails.values()) await tail.dispose();
    }),
  };
}

async function run(
  suffix: Suffix,
  session: Session,
  units: number,
  subsets: readonly (readonly number[])[],
  values: Tensors,
  factor: number,
): Promise<Float64Array> {
  const { tile, reads, tiledInputs } = suffix;
  const feeds: Record<string, Tensor> = {};
  for (const [input, name] of reads) feeds[input] = values[name]!;
  for (const name of tiledInputs) feeds[name] = repeated(values[name]!, tile);
  const losses = new Float64Array(subsets.length);
  for (let from = 0; from < subsets.length; from += tile) {
    const some = subsets.slice(from, from + tile);
    const factors = new Float32Array(tile * units).fill(1);
    some.forEach((subset, row) => {
      for (const unit of subset) factors[row * units + unit] = factor;
    });
    const results = await session.run({
      ...feeds,
      [suffix.factors]: { dtype: "float32", shape: [tile, units], data: factors },
    });
    losses.set((results[suffix.losses]!.data as Float32Array).subarray(0, some.length), from);
  }
  return losses;
}

/** A tensor several times behind itself along the first axis. */
function repeated(value: Tensor, times: number): Tensor {
  if (times === 1) return value;
  const shape: Shape = [value.shape[0]! * times, ...value.shape.slice(1)];
  const whole = zeros(value.dtype as NumericDType, shape);
  const size = sizeOf(value.shape);
  const data = whole.data as Float32Array;
  for (let i = 0; i < times; i++) data.set(value.data as Float32Array, i * size);
  return whole;
}

/** An oracle of the pieces of a minibatch, one after the other, as few as fit into memory. */
interface InPieces {
  readonly oracle: Oracle;
  readonly inputs: readonly ValueInfo[];
  /** The mean over all samples of what is found of each piece: the loss, and numbers that are means over samples. */
  mean(
    feeds: Tensors,
    find: (piece: Unmasked) => Promise<readonly Float64Array[]>,
  ): Promise<{ readonly loss: number; readonly found: readonly Float64Array[] }>;
}

async function openInPieces(
  runtime: Runtime,
  graph: Graph,
  options: ProviderOptions,
  of: readonly string[],
): Promise<InPieces> {
  const { batchSize } = options;
  const pieces = piecesOf(graph, options, of);
  const oracle = await openOracle(runtime, graph, { ...options, batchSize: batchSize / pieces }, of);
  return {
    oracle,
    inputs: minibatchInputs(oracle.inputs, pieces),
    async mean(feeds, find) {
      let loss = 0;
      let all: readonly Float64Array[] | undefined;
      for (let piece = 0; piece < pieces; piece++) {
        const own = Object.entries(feeds).map(([name, value]) => [name, sliceOf(value, piece, pieces)] as const);
        const unmasked = await oracle.start(Object.fromEntries(own));
        loss += unmasked.loss / pieces;
        const found = (await find(unmasked)).map((values) => values.map((value) => value / pieces));
        all = all?.map((sums, i) => sums.map((sum, j) => sum + found[i]![j]!)) ?? found;
      }
      return { loss, found: all! };
    },
  };
}

/** Opens the oracle as a source of evidence: each unit by itself, or every subset of the units of a group. */
export async function openOracleProvider(
  runtime: Runtime,
  graph: Graph,
  needs: readonly ("losses" | "subsets")[],
  options: ProviderOptions,
): Promise<EvidenceProvider> {
  const small = ({ units }: Group): boolean => units.length <= mostCombined;
  const all = analyse(widen(graph), { batch: options.batchSize }).groups;
  const names = all.filter((group) => needs.includes("losses") || small(group)).map(({ name }) => name);
  const { oracle, inputs, mean } = await openInPieces(runtime, graph, options, names);
  const asked = oracle.groups.flatMap((group) => [
    ...(needs.includes("losses") ? [{ group, of: "losses", subsets: group.units.map((_, unit) => [unit]) }] : []),
    ...(needs.includes("subsets") && small(group)
      ? [{ group, of: "subsets", subsets: allSubsets(group.units.length) }]
      : []),
  ]);
  return {
    inputs,
    objective: oracle.objective,
    async measure(feeds) {
      const { loss, found } = await mean(feeds, async (piece) => {
        const changes: Float64Array[] = [];
        for (const { group, subsets } of asked)
          changes.push((await oracle.losses(group.name, subsets, piece)).map((one) => one - piece.loss));
        return changes;
      });
      const findings = new Map<string, Partial<Evidence>>(oracle.groups.map(({ name }) => [name, {}]));
      asked.forEach(({ group: { name }, of }, i) => findings.set(name, { ...findings.get(name), [of]: found[i]! }));
      return { loss, findings };
    },
    [Symbol.asyncDispose]: () => oracle.dispose(),
  };
}

/** Every subset of so many units; bit m of its index stands for unit m. */
export function allSubsets(units: number): number[][] {
  return Array.from({ length: 2 ** units }, (_, mask) =>
    Array.from({ length: units }, (_unused, unit) => unit).filter((unit) => (mask & (1 << unit)) !== 0),
  );
}

export interface MaskedOptions extends ProviderOptions {
  /** Minibatches to average over. */
  readonly batches: number;
  readonly seed: number;
  /** Takes the samples in stored order; default: in the order of the seed. */
  readonly inOrder?: boolean;
  /** What the gates of a masked unit are set to; default 0. Between 0 and 1 a unit is weakened instead of removed. */
  readonly factor?: number;
  readonly onProgress?: (done: number, all: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The mean loss over some minibatches, unmasked and with each of some subsets of a group's units masked.
 *
 * @param subsets unit numbers
 */
export async function maskedLosses(
  runtime: Runtime,
  graph: Graph,
  dataset: Dataset,
  group: string,
  subsets: readonly (readonly number[])[],
  options: MaskedOptions,
): Promise<{ readonly loss: number; readonly losses: Float64Array }> {
  const { batchSize, batches, seed, inOrder = false, signal } = options;
  if (options.targets === "sampled") fail("bad-option", "masked losses are of the labels of the data");
  const { oracle, inputs: all, mean } = await openInPieces(runtime, graph, options, [group]);
  await using _ = oracle;
  const { objective } = oracle;
  checkClasses(dataset, classesIn(objective));
  const added = new Set(objective.targets.map(({ input }) => input));
  const inputs = all.filter(({ name }) => !added.has(name));
  const losses = new Float64Array(subsets.length);
  let [loss, done] = [0, 0];
  const given = { batchSize, seed, shuffle: !inOrder, epoch: 0, limit: batches, signal };
  for await (const batch of wholeBatches(dataset, given)) {
    const feeds = { ...feedsOf({ inputs }, batch), ...targetFeeds(all, objective, batch) };
    const found = await mean(feeds, async (piece) => [await oracle.losses(group, subsets, piece, options.factor)]);
    loss += found.loss;
    found.found[0]!.forEach((value, i) => (losses[i]! += value));
    done++;
    options.onProgress?.(done, batches);
  }
  return { loss: loss / done, losses: losses.map((sum) => sum / done) };
}
