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
    Pick<LearningOptions, "machines" | "averageEvery" | "outerRate" | "outerMomentum">,
    Pick<LearnJobOptions, "learners"> {}

/** The machines that learn, and how they average; nothing where one learns alone, whose mean is itself. */
export function spreadOf(
  runtime: Runtime,
  { machines = 1, learners, averageEvery, outerRate = 1, outerMomentum = 0, ...own }: Settings,
  emit: (event: LostEvent) => void,
): Spread | undefined {
  if (!learners && machines === 1 && outerRate === 1 && outerMomentum === 0) return undefined;
  const { threads, device, signal, memory, reserved, onRecompute } = own;
  return {
    machines: learners ?? machinesHere(runtime, machines, { threads, device, signal, memory, reserved, onRecompute }),
    averageEvery,
    outerRate,
    outerMomentum,
    onLost: emit,
  };
}
