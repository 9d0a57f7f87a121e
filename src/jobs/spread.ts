/** Several machines that learn, as options ask for them. */

import type { LearningOptions } from "../options/learning.ts";
import type { LearnJobOptions } from "./kinds.ts";
import type { Runtime } from "../runtime/port.ts";
import type { LostEvent } from "../train/events.ts";
import { machinesHere } from "../train/machines.ts";
import type { OwnOptions, Spread } from "../train/spread.ts";

interface Settings
  extends
    OwnOptions,
    Pick<LearningOptions, "machines" | "averageEvery" | "outerRate" | "outerMomentum" | "optimiser">,
    Pick<LearnJobOptions, "learners"> {}

/** The machines that learn, and how they average; nothing where one learns alone, whose mean is itself. */
export function spreadOf(runtime: Runtime, settings: Settings, emit: (event: LostEvent) => void): Spread | undefined {
  const { machines = 1, learners, averageEvery, outerRate = 1, outerMomentum = 0, ...own } = settings;
  if (!learners && machines === 1 && outerRate === 1 && outerMomentum === 0) return undefined;
  const { threads, device, signal, memory, reserved, onRecompute } = own;
  return {
    machines: learners ?? machinesHere(runtime, machines, { threads, device, signal, memory, reserved, onRecompute }),
    averageEvery,
    outerRate,
    outerMomentum,
    rateTimes: rateTimesOf(settings),
    onLost: emit,
  };
}

/**
 * What rates that a trial on one machine finds are multiplied by: the square root of the number of machines. That keeps
 * the variance of the gradient's expectation where means are taken over so many times the samples (Krizhevsky 2014,
 * "One weird trick for parallelizing convolutional neural networks", arXiv 1404.5997).
 *
 * It is taken for SGD alone, and where the weights become the mean. A step of AdamW is as long as the rate whatever the
 * gradient is, and outer steps say themselves how far the weights go.
 */
function rateTimesOf({ machines = 1, learners, optimiser, outerRate = 1, outerMomentum = 0 }: Settings): number {
  if (optimiser?.kind === "adamw" || outerRate !== 1 || outerMomentum !== 0) return 1;
  return Math.sqrt(learners?.count ?? machines);
}

/** Says what becomes of rates that a trial finds, where any is to be found. */
export function tellRates(
  spread: Spread | undefined,
  isAnyFound: boolean,
  onNote: ((text: string) => void) | undefined,
): void {
  const { machines, rateTimes = 1 } = spread ?? {};
  if (!machines || rateTimes === 1 || !isAnyFound) return;
  const { count } = machines;
  onNote?.(
    `${count} machines: learning rates that are found are taken times ${Number(rateTimes.toPrecision(3))}, as each ` +
      `machine makes one step where one alone makes ${count}`,
  );
}
