/**
 * Watches over learning. What was removed raises the loss too, and that of some models is high on one minibatch and
 * nothing on the next. So where the loss is too high, it is compared on the same minibatches with the last model that
 * was good, which loses what has been removed since and learns nothing. Only if that is better learning did harm.
 */

import type { Batch, Dataset } from "../data/batches.ts";
import { SecateurError } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Runtime } from "../runtime/port.ts";
import { createGuard, createHaven, isHarmed, lookedAt, type GoodPoint, type Guard, type Watched } from "./guard.ts";
import type { StepOptions } from "./step.ts";
import { openStream, type Position, type StreamOptions } from "./stream.ts";
import type { Teacher } from "./teacher.ts";
import { openTrainer, type Trainer } from "./trainer.ts";

/** Learning may be so much worse than nothing, as a share of the loss. */
const tolerated = 0.1;

/** What a watch goes on from. */
export interface WatchState extends Watched {
  /** Where the minibatches stand in the data that would be compared on. */
  readonly compared: readonly Position[];
}

/** What a watch looks at. */
export interface WatchSource {
  readonly dataset: Dataset;
  readonly stream: StreamOptions;
  /** How models learn that are compared; they take no step. */
  readonly step: StepOptions;
}

export interface Watch {
  /** To go on from; there has been a loss. */
  readonly state: WatchState;
  /** The model to go back to. */
  readonly good: GoodPoint;
  /** Whether there has been a loss to judge by. */
  readonly canGoBack: boolean;
  readonly loss: number;
  readonly least: number;
  readonly chance: number;
  /** Whether the loss has to be judged. */
  readonly isTooHigh: boolean;
  /** Whether a model may be offered: the loss is about as low as it has been. */
  readonly canOffer: boolean;
  /** Before a step: finds what losses are measured by. */
  begin(trainer: Trainer, batch: Batch, teacher: Teacher | undefined): Promise<void>;
  /** @param at where its minibatch stands in the data */
  add(loss: number, at: Position): void;
  /** Offers a model to go back to, if the next losses are good too. */
  offer(one: GoodPoint): void;
  /**
   * Where the loss is too high: whether learning did harm.
   *
   * @param still the last good model without what has been removed since
   */
  judge(now: GoodPoint, still: Graph, teacher: Teacher | undefined): Promise<boolean>;
  /** The loss of that model on the last minibatches, where it shows that removing did harm by itself. */
  harmWithout(still: Graph, teacher: Teacher | undefined): Promise<number | undefined>;
}

/** @param start a model that is good, or what an earlier run's watch had seen */
export function openWatch(
  runtime: Runtime,
  { dataset, stream: options, step }: WatchSource,
  start: GoodPoint | WatchState,
): Watch {
  const from = "good" in start ? start : undefined;
  const haven = createHaven<GoodPoint>("good" in start ? start : { good: start, since: 0 });
  let guard: Guard | undefined = from && createGuard(from.scale, from);
  let isTooHigh = false;
  let last = from?.compared ?? [];
  const lossOf = async (graph: Graph, teacher: Teacher | undefined): Promise<number> => {
    await using trainer = await openTrainer(runtime, graph, { ...step, needs: undefined });
    let sum = 0;
    await using stream = openStream(dataset, options, last[0]!);
    for (const [i, at] of last.entries()) {
      if (stream.position.epoch !== at.epoch || stream.position.batch !== at.batch) await stream.goBack(at);
      sum += (await trainer.step(await stream.next(), 0, i, teacher)).loss;
    }
    return sum / last.length;
  };
  return {
    get state() {
      return { ...guard!.state, ...haven.state, compared: last };
    },
    get good() {
      return haven.good;
    },
    get canGoBack() {
      return guard !== undefined && Number.isFinite(guard.now);
    },
    get loss() {
      return guard?.now ?? Number.NaN;
    },
    get least() {
      return guard?.least ?? Number.NaN;
    },
    get chance() {
      return guard?.state.scale.chance ?? Number.NaN;
    },
    get isTooHigh() {
      return isTooHigh;
    },
    get canOffer() {
      return haven.isFree && guard!.isGood;
    },
    offer(one) {
      haven.offer(one);
    },
    async begin(trainer, batch, teacher) {
      if (guard) return;
      guard = createGuard(await trainer.scaleOf(batch, teacher));
    },
    add(loss, at) {
      isTooHigh = guard!.add(loss);
      haven.seen(guard!.isGood);
      last = [...last.slice(1 - lookedAt), at];
    },
    async harmWithout(still, teacher) {
      const loss = await lossOf(still, teacher);
      return isHarmed(guard!.state.scale, guard!.least, loss) ? loss : undefined;
    },
    async judge(now, still, teacher) {
      const before = await lossOf(still, teacher);
      const after = await lossOf(now.graph, teacher).catch((error: unknown) => {
        if (error instanceof SecateurError && error.code === "not-finite") return Infinity;
        throw error;
      });
      if (after > before * (1 + tolerated) + guard!.state.scale.slight) return true;
      guard!.accept();
      haven.take(now);
      isTooHigh = false;
      return false;
    },
  };
}

/**
 * Whether there is a weight that is no number and was one: the last step may have been the one
 * that ruined all, and no loss has told.
 */
export function hasOverflown(now: Graph, before: Graph): boolean {
  return [...now.initializers].some(([name, value]) => {
    const was = before.initializers.get(name);
    return was !== undefined && was !== value && !allFinite(value) && allFinite(was);
  });
}

const allFinite = ({ dtype, data }: Tensor): boolean =>
  dtype !== "float32" || (data as Float32Array).every((element) => Number.isFinite(element));
