/** How long a pruning will take: its beginning is timed, and thrown away. */

import type { Model } from "../graph/graph.ts";
import { prune } from "../jobs/prune.ts";
import type { ScheduleEvent } from "../jobs/prune-events.ts";
import type { PruneJobOptions } from "../jobs/prune-options.ts";

/** What a pruning takes, in seconds. */
export interface Beginning {
  /** What it reckons to do; nothing where nothing is to be removed. */
  readonly schedule: ScheduleEvent | undefined;
  /** Before it learns: what there is is measured, and rates are tried. */
  readonly before: number;
  /** From one removal to the next, learning included. */
  readonly removal: number;
  /** A step of learning. */
  readonly step: number;
  /** All of it, on one machine. */
  readonly seconds: number;
}

/** So many steps are timed where no removal comes before. */
const timed = 12;

/**
 * Begins a pruning, and stops it at its first removal. What follows is taken to go on like this and not to get faster
 * while the model shrinks, so that the seconds are rather too many.
 *
 * @throws SecateurError as {@link prune}
 */
export async function timeBeginning(
  model: Model,
  options: PruneJobOptions & { readonly signal: AbortSignal },
): Promise<Beginning> {
  const stop = new AbortController();
  const began = performance.now();
  const now = (): number => (performance.now() - began) / 1000;
  const steps: number[] = [];
  let [schedule, before, removed]: [ScheduleEvent | undefined, number, number | undefined] = [undefined, 0, undefined];
  let hasEnded = false;
  const job = prune(model, {
    ...options,
    signal: AbortSignal.any([stop.signal, options.signal]),
    onEvent(event) {
      if (event.kind === "schedule") schedule = event;
      // A rate is tried after pruning has begun.
      if ((event.kind === "phase" && event.phase === "pruning") || event.kind === "rate") before = now();
      if (event.kind === "step" && event.phase === "prune") steps.push(now());
      if (event.kind === "removal") removed ??= now();
      hasEnded ||= event.kind === "pruned" && removed === undefined;
      if (hasEnded || removed !== undefined || steps.length > timed) stop.abort();
    },
  });
  await job.result.catch((error: unknown) => {
    if (!stop.signal.aborted || options.signal.aborted) throw error;
  });
  if (schedule === undefined || hasEnded || !stop.signal.aborted)
    return { schedule: undefined, before, removal: 0, step: 0, seconds: now() };
  const { removals, every, tuningSteps = 0, tries = 1 } = schedule as ScheduleEvent;
  // Of the first a session is opened. Where several machines learn, steps are told when all are done.
  const spread = steps.length > 1 ? (steps.at(-1)! - steps[0]!) / (steps.length - 1) : 0;
  const step = spread > 0 && options.learners === undefined ? spread : ((removed ?? now()) - before) / steps.length;
  const removal = removed === undefined ? every * step : removed - before;
  return { schedule, before, removal, step, seconds: before + removals * removal + tries * tuningSteps * step };
}
