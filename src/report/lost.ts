/** Machines that were lost while several learned, as a run's record and page tell of them. */

import type { LostEvent } from "../train/events.ts";
import { counted } from "./figures.ts";
import type { Lost, RunRecord } from "./record.ts";
import { isOf } from "./run-history.ts";

/** How often a machine was lost, and with how many samples; nothing where none was. */
export function lostIn(records: readonly RunRecord[]): Lost | undefined {
  const all = records.filter(isOf("lost"));
  if (all.length === 0) return undefined;
  return { times: all.length, samples: all.reduce((sum, { samples }) => sum + samples, 0) };
}

/** What was lost once, in a sentence. */
export const describeLost = ({ machine, machines, minibatches, samples, reason }: LostEvent): string =>
  `machine ${machine} of ${machines} was lost (${reason}): ${counted(samples)} of this interval, ` +
  `in ${minibatches} minibatch${minibatches === 1 ? "" : "es"}, are not learned from`;

/** What was lost in all, in a sentence. */
export const describeLosses = ({ times, samples }: Lost): string =>
  `A machine was lost ${times === 1 ? "once" : `${times} times`} on the way: ${counted(samples)} were not seen.`;
