/** The oracle: the loss with units really masked, many masks at once behind what all of them share. */

import type { Evidence, Need } from "../criteria/criterion.ts";
import { mostCombined } from "../criteria/oracle-combinatorial.ts";
import type { Dataset } from "../data/batches.ts";
import { checkClasses } from "../data/checks.ts";
import { wholeBatchLoss } from "../objective/loss-file.ts";
import { classesIn } from "../objective/objective.ts";
import { SecateurError, fail, option } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { sizeOf, type NumericDType, type Shape, type Tensor, zeros } from "../graph/tensor.ts";
import { widen } from "../passes/widen.ts";
import { findGates } from "../prune/gates/gates.ts";
import { analyse } from "../prune/coupling/analysis.ts";
import type { Group } from "../prune/coupling/groups.ts";
import { held, type Held, type Runtime, type Session, type Tensors } from "../runtime/port.ts";
import { feedsOf, targetFeeds } from "../execute/feeds.ts";
import { wholeBatches } from "../execute/minibatches.ts";
import { prefixGraph, suffixGraph, type Suffix } from "./oracle-graphs.ts";
import type { EvidenceProvider, ProviderOptions } from "./provider.ts";
import { executable } from "../execute/executable.ts";

/** Masks are evaluated together until this many samples go through the net at once. */
const samplesAtOnce = 512;

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

interface Tail {
  readonly suffix: Suffix;
  readonly session: Session;
}

/**
 * Opens the oracle over some groups of a model, in inference mode. What no mask of a group reaches is run once for a
 * minibatch; the rest is run for several masks at once, where the samples of the batch can be told apart.
 *
 * @param of the groups; default all
 */
export async function openOracle(
  runtime: Runtime,
  graph: Graph,
  options: ProviderOptions,
  of?: readonly string[],
): Promise<Oracle> {
  const { batchSize: batch } = options;
  const base = widen(graph);
  const analysis = analyse(base, { batch });
  const wanted = analysis.groups.filter(({ name }) => of?.includes(name) ?? true);
  for (const name of of ?? [])
    if (!wanted.some((group) => group.name === name))
      fail("bad-option", `the model has no group "${name}" (see secateur inspect)`);
  const isWhole = wholeBatchLoss(options.loss) !== undefined;
  const tile = isWhole ? 1 : Math.max(1, Math.floor(samplesAtOnce / batch));
  const tiled = tile === 1 ? undefined : analyse(base, { batch: batch * tile });
  const gates = findGates(analysis);
  const suffixes = new Map(
    wanted.map(({ name }) => {
      const one = () => suffixGraph(analysis, analysis, name, gates.get(name)!, 1, options);
      if (tiled === undefined) return [name, one()] as const;
      try {
        return [name, suffixGraph(analysis, tiled, name, gates.get(name)!, tile, options)] as const;
      } catch (error) {
        // Where samples are not told apart along a first axis, masks are tried one by one: slower, and the same.
        if (error instanceof SecateurError && error.code === "unsupported") return [name, one()] as const;
        throw error;
      }
    }),
  );
  const shared = new Set<string>();
  for (const { reads } of suffixes.values()) for (const name of reads.values()) shared.add(name);
  const prefix = prefixGraph(analysis.traced, shared, options);
  const session = await runtime.load(executable(prefix.graph, options.device), options);
  const tails = new Map<string, Tail>();
  const tailOf = async (name: string): Promise<Tail> => {
    const known = tails.get(name);
    if (known) return known;
    const suffix = suffixes.get(name) ?? fail("bad-option", `the oracle was not opened for group "${name}"`);
    const made = { suffix, session: await runtime.load(executable(suffix.graph, options.device), options) };
    tails.set(name, made);
    return made;
  };
  return {
    groups: wanted,
    inputs: prefix.graph.inputs,
    objective: prefix.objective,
    async start(feeds) {
      const results = await session.run(feeds);
      return { loss: Number(results["loss"]!.data[0]), values: { ...feeds, ...results } };
    },
    async losses(name, subsets, { values }, factor = 0) {
      const units = wanted.find((group) => group.name === name)?.units.length ?? 0;
      return run(await tailOf(name), units, subsets, values, factor);
    },
    ...held(async () => {
      await session.dispose();
      for (const tail of tails.values()) await tail.session.dispose();
    }),
  };
}

async function run(
  { suffix, session }: Tail,
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

/** Refuses a limit for what is needed of the oracle. */
export function refuseMemory(needs: readonly Need[], memory: number | undefined): void {
  if (memory !== undefined && (needs.includes("losses") || needs.includes("subsets")))
    fail(
      "bad-option",
      `${option("memory")} has no say in the oracle, which runs many masks at once: lower ${option("batchSize")} ` +
        "instead",
    );
}

/** Opens the oracle as a source of evidence: each unit by itself, or every subset of the units of a group. */
export async function openOracleProvider(
  runtime: Runtime,
  graph: Graph,
  needs: readonly ("losses" | "subsets")[],
  options: ProviderOptions,
): Promise<EvidenceProvider> {
  refuseMemory(needs, options.memory);
  const small = ({ units }: Group): boolean => units.length <= mostCombined;
  const found = analyse(widen(graph), { batch: options.batchSize }).groups;
  const names = found.filter((group) => needs.includes("losses") || small(group)).map(({ name }) => name);
  const oracle = await openOracle(runtime, graph, options, names);
  return {
    inputs: oracle.inputs,
    objective: oracle.objective,
    async measure(feeds) {
      const minibatch = await oracle.start(feeds);
      const findings = new Map<string, Partial<Evidence>>();
      const changes = async (name: string, subsets: readonly (readonly number[])[]) =>
        (await oracle.losses(name, subsets, minibatch)).map((loss) => loss - minibatch.loss);
      for (const group of oracle.groups) {
        const { name, units } = group;
        findings.set(name, {
          ...(needs.includes("losses") && {
            losses: await changes(
              name,
              units.map((_, unit) => [unit]),
            ),
          }),
          ...(needs.includes("subsets") && small(group) && { subsets: await changes(name, allSubsets(units.length)) }),
        });
      }
      return { loss: minibatch.loss, findings };
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
  await using oracle = await openOracle(runtime, graph, options, [group]);
  const { objective } = oracle;
  checkClasses(dataset, classesIn(objective));
  const added = new Set(objective.targets.map(({ input }) => input));
  const inputs = oracle.inputs.filter(({ name }) => !added.has(name));
  const losses = new Float64Array(subsets.length);
  let [loss, done] = [0, 0];
  const given = { batchSize, seed, shuffle: !inOrder, epoch: 0, limit: batches, signal };
  for await (const batch of wholeBatches(dataset, given)) {
    const targets = targetFeeds(oracle.inputs, objective, batch);
    const minibatch = await oracle.start({ ...feedsOf({ inputs }, batch), ...targets });
    loss += minibatch.loss;
    (await oracle.losses(group, subsets, minibatch, options.factor)).forEach((value, i) => (losses[i]! += value));
    done++;
    options.onProgress?.(done, batches);
  }
  return { loss: loss / done, losses: losses.map((sum) => sum / done) };
}
