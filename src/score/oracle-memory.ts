/** The graphs of an oracle, with as many masks and samples at once as fit into memory. */

import { SecateurError, fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { expectedMemory, memoryBeside, type Expected } from "../execute/memory.ts";
import { fitMemory } from "../execute/micro-batches.ts";
import { wholeBatchLoss } from "../objective/loss-file.ts";
import { widen } from "../passes/widen.ts";
import { findGates } from "../prune/gates/gates.ts";
import { analyse, type Analysis } from "../prune/coupling/analysis.ts";
import type { Group } from "../prune/coupling/groups.ts";
import { prefixGraph, suffixGraph, type Suffix } from "./oracle-graphs.ts";
import type { ProviderOptions } from "./provider.ts";

/** Masks are evaluated together until this many samples go through the net at once. */
const samplesAtOnce = 512;
/** Where nobody says how much memory there is: for the masks that run at once, and for what stays loaded. */
const usualRoom = 2 * 2 ** 30;

export interface OracleGraphs {
  readonly groups: readonly Group[];
  readonly prefix: ReturnType<typeof prefixGraph>;
  /** By group, with the bytes that one is expected to take while it is loaded. */
  readonly suffixes: ReadonlyMap<string, { readonly suffix: Suffix; readonly bytes: number }>;
  /** Bytes for all suffixes that are loaded at the same time. */
  readonly room: number;
}

/**
 * The graphs of the oracle. A suffix takes as many masks at once as fit into half of the room that there is, and at
 * least one.
 *
 * @param of the groups; default all
 */
export function oracleGraphs(graph: Graph, options: ProviderOptions, of?: readonly string[]): OracleGraphs {
  const { batchSize, memory } = options;
  const suffixAt = suffixesOf(graph, options);
  const groups = wantedOf(suffixAt.analysis, of);
  const isWhole = wholeBatchLoss(options.loss) !== undefined;
  const most = isWhole ? 1 : Math.max(1, Math.floor(samplesAtOnce / batchSize));
  const first = new Map(groups.map(({ name }) => [name, suffixAt.of(name, most)]));
  const prefix = prefixOf(suffixAt.analysis, first.values(), options);
  const { fixed, moving } = expectedMemory(prefix.graph);
  const room = memory === undefined ? usualRoom : memory - fixed - moving;
  const within = (name: string, suffix: Suffix): { readonly suffix: Suffix; readonly bytes: number } => {
    const { fixed, moving } = memoryBeside(suffix.graph);
    const bytes = fixed + moving;
    if (suffix.tile === 1 || 2 * bytes <= room) return { suffix, bytes };
    return within(name, suffixAt.of(name, Math.floor(suffix.tile / 2)));
  };
  return { groups, prefix, suffixes: new Map([...first].map(([name, one]) => [name, within(name, one)])), room };
}

/**
 * The pieces that a minibatch has to be taken to for the oracle to stay below the limit, one mask at a time.
 *
 * @throws SecateurError as {@link fitMemory}
 */
export function piecesOf(graph: Graph, options: ProviderOptions, of: readonly string[]): number {
  if (options.memory === undefined) return 1;
  const build = (batchSize: number) => {
    const suffixAt = suffixesOf(graph, { ...options, batchSize });
    const single = wantedOf(suffixAt.analysis, of).map(({ name }) => suffixAt.of(name, 1));
    return { ...prefixOf(suffixAt.analysis, single, options), single };
  };
  const expected = ({ graph: prefix, single }: ReturnType<typeof build>) => {
    const [own, tails] = [expectedMemory(prefix), single.map((one) => memoryBeside(one.graph))];
    const most = (of: keyof Expected): number => own[of] + Math.max(0, ...tails.map((tail) => tail[of]));
    return { fixed: most("fixed"), moving: most("moving") };
  };
  return fitMemory(graph, options.batchSize, options, build, wholeBatchLoss(options.loss), expected).microBatches;
}

/** The groups of the names, in the order of the model. */
function wantedOf({ groups }: Analysis, of: readonly string[] | undefined): Group[] {
  const wanted = groups.filter(({ name }) => of?.includes(name) ?? true);
  for (const name of of ?? [])
    if (!wanted.some((group) => group.name === name))
      fail("bad-option", `the model has no group "${name}" (see secateur inspect)`);
  return wanted;
}

/** Makes suffixes for some masks at once, where the samples of the batch can be told apart. */
function suffixesOf(graph: Graph, options: ProviderOptions) {
  const { batchSize: batch } = options;
  const base = widen(graph);
  const analysis = analyse(base, { batch });
  const gates = findGates(analysis);
  const tiledBy = new Map([[1, analysis]]);
  const tiled = (tile: number): Analysis => {
    const known = tiledBy.get(tile) ?? analyse(base, { batch: batch * tile });
    tiledBy.set(tile, known);
    return known;
  };
  const of = (name: string, tile: number): Suffix => {
    try {
      return suffixGraph(analysis, tiled(tile), name, gates.get(name)!, tile, options);
    } catch (error) {
      // Where samples are not told apart along a first axis, masks are tried one by one: slower, and the same.
      if (tile > 1 && error instanceof SecateurError && error.code === "unsupported") return of(name, 1);
      throw error;
    }
  };
  return { analysis, of };
}

/** What is run once, with what the suffixes read. */
function prefixOf({ traced }: Analysis, suffixes: Iterable<Suffix>, options: ProviderOptions) {
  const shared = new Set([...suffixes].flatMap(({ reads }) => [...reads.values()]));
  return prefixGraph(traced, shared, options);
}
