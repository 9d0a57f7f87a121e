/**
 * Whether learning ruins what it learns: a loss that rises to what knowing nothing costs, or far above where it began.
 */

import type { Batch } from "../data/batches.ts";
import { checkFinite } from "../data/checks.ts";
import { SecateurError, option } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import type { LossScale } from "../objective/chance.ts";
import type { DivergedEvent } from "./events.ts";

/** Losses that are looked at together, by their median: one minibatch that is hard is no reason to stop. */
export const lookedAt = 8;
/** So few are enough at the start. */
const enough = 4;
/** On the way from the least loss to chance, a loss this far up has lost most of what was known. */
const lost = 0.6;
/**
 * A model that knows less than this share of what there is to know cannot be seen to
 * lose it; its loss may only not explode.
 */
const knows = 0.3;
const exploded = 3;
/** Errors are measured by themselves. */
const errorsRisen = 10;
const slightErrors = 20;

/** What the loss must not come to, from the least it has been. */
export function limitOf({ chance, slight, isError }: LossScale, least: number): number {
  // A loss of your own may be below 0.
  if (isError) return (least < 0 ? least + (1 - errorsRisen) * least : errorsRisen * least) + slightErrors * slight;
  return least < (1 - knows) * chance ? least + lost * (chance - least) : exploded * Math.max(least, chance);
}

/** Removals that take the loss this far up do harm by themselves. */
const muchGone = 0.1;

/** Whether the loss after removals from which nothing was learned shows that these did harm. */
export function isHarmed(scale: LossScale, least: number, loss: number): boolean {
  const { chance, isError } = scale;
  const isFar = isError === true || least >= (1 - knows) * chance;
  return loss > (isFar ? limitOf(scale, least) : least + muchGone * (chance - least));
}

/** What a guard goes on from. */
export interface GuardState {
  readonly scale: LossScale;
  /** Losses, the latest last; at least one. */
  readonly last: readonly number[];
  readonly least: number;
}

export interface Guard {
  readonly state: GuardState;
  /** Takes the loss of a step, and says whether it is too high by now. */
  add(loss: number): boolean;
  /** The median of the last losses, and the least that this has been. */
  readonly now: number;
  readonly least: number;
  /** Whether the model is about as good as it has been: worth going back to. */
  readonly isGood: boolean;
  /** Takes what the loss is now for where it begins: something else than learning raised it. */
  accept(): void;
}

/** @param from what an earlier run's guard had seen */
export function createGuard(scale: LossScale, from?: GuardState): Guard {
  let last = from?.last ?? [];
  let now = last.length > 0 ? median(last) : Infinity;
  let least = from?.least ?? Infinity;
  return {
    get state() {
      return { scale, last, least };
    },
    get now() {
      return now;
    },
    get least() {
      return least;
    },
    get isGood() {
      return now <= least + (limitOf(scale, least) - least) / 4;
    },
    add(value) {
      last = [...last.slice(1 - lookedAt), value];
      now = median(last);
      least = Math.min(least, now);
      return last.length >= enough && now > limitOf(scale, least);
    },
    accept() {
      [last, least] = [[now], now];
    },
  };
}

/** A model, and the steps or removals that it has behind it. */
export interface GoodPoint {
  readonly graph: Graph;
  readonly at: number;
}

/** What there is to go back to. */
export interface HavenState<T> {
  readonly good: T;
  /** What may be good too, and the losses since. */
  readonly offered?: T | undefined;
  readonly since: number;
}

/**
 * What watches over learning, as a checkpoint keeps it: a run that goes on decides as the one that was never stopped.
 */
export interface Watched extends GuardState, HavenState<GoodPoint> {}

/** What is gone back to: a model is known to be good only by the losses after it. */
export interface Haven<T> {
  readonly state: HavenState<T>;
  readonly good: T;
  /** Whether another one may be offered. */
  readonly isFree: boolean;
  offer(one: T): void;
  /** After each loss: whether it is still good. */
  seen(isGood: boolean): void;
  /** Takes one for good. */
  take(one: T): void;
}

export function createHaven<T extends object | string>(start: HavenState<T>): Haven<T> {
  let { good, offered, since } = start;
  return {
    get state() {
      return { good, offered, since };
    },
    get good() {
      return good;
    },
    get isFree() {
      return offered === undefined;
    },
    offer(one) {
      [offered, since] = [one, 0];
    },
    seen(isGood) {
      if (offered === undefined || ++since < lookedAt) return;
      if (isGood) good = offered;
      offered = undefined;
    },
    take(one) {
      [good, offered] = [one, undefined];
    },
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/**
 * What steps on some minibatches give; nothing where weights have grown beyond all numbers.
 *
 * @param mayOverflow whether there was a good step before: else model or data are to blame, and it fails
 */
export async function unlessOverflown<T>(
  steps: Promise<T>,
  batches: readonly Batch[],
  mayOverflow: boolean,
): Promise<T | undefined> {
  try {
    return await steps;
  } catch (error) {
    if (mayOverflow && isOverflow(error, batches)) return undefined;
    throw error;
  }
}

/** Whether a step failed because weights have grown beyond all numbers, and not because the data holds none. */
function isOverflow(error: unknown, batches: readonly Batch[]): boolean {
  if (!(error instanceof SecateurError) || error.code !== "not-finite") return false;
  try {
    for (const batch of batches) checkFinite(batch);
    return true;
  } catch {
    return false;
  }
}

const figure = (loss: number): string => (Number.isFinite(loss) ? loss.toPrecision(3) : "no number any more");

const unknown = " (what knowing nothing costs is not known of this loss)";

/** What happened, and what to do, in a few sentences. */
export function describeDivergence(event: DivergedEvent): string {
  const { phase, loss, least, chance, learningRate, lower, restored, removed } = event;
  const prune = phase === "prune";
  const counted = (count: number): string => `${count} ${prune ? "removal" : "step"}${count === 1 ? "" : "s"}`;
  const made = counted(restored);
  const known = Number.isFinite(chance) ? `, where knowing nothing costs ${figure(chance)}` : unknown;
  const slower = option(prune ? "pruneLearningRate" : "learningRate", lower);
  if (removed === undefined)
    return (
      `learning did harm: at learning rate ${learningRate} the loss went from ${figure(least)} to ${figure(loss)}` +
      `${known}. The model is what it was after ${made}: try ${slower}`
    );
  return (
    `removing did harm: ${counted(removed.removals)} alone, without a step of learning, took the loss from ` +
    `${figure(least)} to ${figure(removed.loss)}, and at learning rate ${learningRate} it came to ${figure(loss)}` +
    `${known}. ` +
    `The model is what it was after ${made}: choose by another ${option("criterion")}, remove less at a time by ` +
    `${option("unitsPerStep")} or a longer ${option("schedule")}, or remove less in all; only then try ${slower}`
  );
}
