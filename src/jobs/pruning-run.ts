/**
 * The two ways through a run of pruning: down to the budget once, or to the smallest model that loses little enough.
 */

import { criterionOf } from "../criteria/table.ts";
import type { Dataset } from "../data/batches.ts";
import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Budget } from "../options/budget.ts";
import type { Feature } from "../objective/features.ts";
import type { Runtime } from "../runtime/port.ts";
import type { Checkpoint, PruneEnd } from "../loop/checkpoint.ts";
import { finetune, type FinetunePoint } from "../train/finetune.ts";
import type { LatencyGoal } from "../evaluate/latency.ts";
import { pruneLoop } from "../loop/prune.ts";
import type { Spread } from "../train/spread.ts";
import { createTimer } from "./checkpoints.ts";
import { stateOf, type Drop, type Measure } from "./measure.ts";
import type { PruneJobEvent } from "./prune-events.ts";
import type { SettledOptions } from "./prune-options.ts";
import { keepBest, keepRemoval, mostThatFit, mostTries, readStored, type StoredModel, type Store } from "./search.ts";

/** What the stretches of a run share. */
export interface PruningRun {
  readonly runtime: Runtime;
  /** The model at the start. */
  readonly graph: Graph;
  /** What is learned from. */
  readonly data: Dataset;
  readonly target: Budget;
  readonly options: SettledOptions;
  /** What is compared with the original besides its outputs. */
  readonly features: readonly Feature[] | undefined;
  readonly latency: LatencyGoal | undefined;
  /** Where several machines learn. */
  readonly spread: Spread | undefined;
  /** Where a search is on. */
  readonly drop: Drop | undefined;
  /** What the run goes on from. */
  readonly resumed: Checkpoint | undefined;
  readonly store: Store;
  readonly measure: Measure;
  readonly emit: (event: PruneJobEvent) => void;
  /** Writes a checkpoint; `more` is found in its note again. */
  readonly save: (checkpoint: Omit<Checkpoint, "note">, more?: Readonly<Record<string, unknown>>) => Promise<void>;
}

export interface Pruned extends PruneEnd {
  readonly graph: Graph;
}

/** Fine-tuning sees the data in other orders than pruning did. */
const finetuneEpoch = 1_000_000;

/** Removes units until the budget is met, or finds in the checkpoint that this is done. */
export async function pruneDown(pruningRun: PruningRun): Promise<Pruned> {
  const { runtime, graph, data, target, options, latency, spread, drop, resumed, store, measure, emit, save } =
    pruningRun;
  const { criterion, targets, evaluateEvery } = options;
  const from = resumed?.point;
  if (from?.phase === "finetune") return { graph: from.graph, ...resumed!.pruned! };
  emit({ kind: "phase", phase: "pruning" });
  const pruned = await pruneLoop(runtime, graph, data, {
    ...options,
    criterion: criterionOf(criterion),
    target,
    latency,
    spread,
    // The gradient of the distance from a teacher is zero where pruning begins.
    targets: targets === "labels" ? undefined : "sampled",
    teacher: onlyTeacher(pruningRun),
    momentum: options.scoreMomentum,
    learningRate: options.pruneLearningRate,
    onEvent: emit,
    from,
    enough: drop && ((point) => drop.isHopeless(point.graph)),
    async onPoint(point) {
      const { length } = point.removals;
      if (length % evaluateEvery === 0 && !point.met)
        await measure("removal", length, stateOf(point.graph).units, point.graph);
      if (drop) await keepRemoval(store, point);
      await save({ point });
    },
  });
  const { end, removals } = pruned;
  const { costs, units } = stateOf(pruned.graph);
  emit({ kind: "pruned", end, removals: removals.length, units, costs });
  await measure("pruned", removals.length, units, pruned.graph);
  return { graph: pruned.graph, removals, end };
}

/** Fine-tunes what was pruned. */
export async function tuneOnce(pruningRun: PruningRun, { graph, removals, end }: Pruned): Promise<StoredModel> {
  const save = (point: FinetunePoint) => pruningRun.save({ point, pruned: { removals, end } });
  return { removals, graph: await tune(pruningRun, graph, tunedIn(pruningRun), save) };
}

/** Fine-tunes models on the way down until it is known which is the smallest that loses little enough. */
export async function searchSmallest(pruningRun: PruningRun, pruned: Pruned): Promise<StoredModel> {
  const { graph, options, drop, resumed, store, emit } = pruningRun;
  const known = resumed?.note["search"] as StoredSearch | undefined;
  const count = known?.count ?? pruned.removals.length;
  const tried = new Map(known?.tried);
  const most = await mostThatFit(count, tried, async (removals) => {
    const begin =
      (await readStored(store, removals, graph)) ?? fail("io", `the model after ${removals} removals is gone`);
    const { costs, units } = stateOf(begin.graph);
    emit({ kind: "try", number: tried.size + 1, most: mostTries(count), removals, units, costs });
    const going = known?.current === removals ? tunedIn(pruningRun) : undefined;
    const search = (): StoredSearch => ({ count, tried: [...tried], current: removals });
    const tuned = await tune(pruningRun, begin.graph, going, (point) =>
      pruningRun.save({ point, pruned: { removals: begin.removals, end: pruned.end } }, { search: search() }),
    );
    const lost = await drop!.of(tuned);
    const fits = lost.drop <= options.maxDrop!;
    emit({ kind: "search", removals, units, costs, ...lost, fits });
    if (fits) await keepBest(store, { graph: tuned, removals: begin.removals });
    return fits;
  });
  return most === 0 ? { graph, removals: [] } : (await readStored(store, "best", graph))!;
}

/** Where a search stands. */
interface StoredSearch {
  /** Removals of the whole way. */
  readonly count: number;
  readonly tried: readonly (readonly [number, boolean])[];
  /** The removals that the model in hand has behind it. */
  readonly current: number;
}

/** Fine-tuning that was under way. */
const tunedIn = ({ resumed }: PruningRun): FinetunePoint | undefined =>
  resumed?.point.phase === "finetune" ? resumed.point : undefined;

async function tune(
  pruningRun: PruningRun,
  begin: Graph,
  from: FinetunePoint | undefined,
  save: (point: FinetunePoint) => Promise<void>,
): Promise<Graph> {
  const { runtime, graph, features, data, options, spread, emit } = pruningRun;
  const { distil, temperature, checkpoints } = options;
  emit({ kind: "phase", phase: "fine-tuning" });
  const due = createTimer(checkpoints?.every ?? 30);
  return finetune(runtime, begin, data, {
    ...options,
    spread,
    firstEpoch: finetuneEpoch,
    teacher: onlyTeacher(pruningRun) ?? (distil > 0 ? { graph, features, weight: distil, temperature } : undefined),
    onEvent: emit,
    onRate: emit,
    onDiverged: emit,
    from,
    async onPoint(take) {
      if (checkpoints && due()) await save(await take());
    },
  });
}

/** Without labels all that is learned comes from the original. */
const onlyTeacher = ({ graph, features, options: { targets, temperature } }: PruningRun) =>
  targets === "labels" ? undefined : { graph, features, weight: 1, temperature };
