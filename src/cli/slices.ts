/** What slices of learning take on machines of a queue: the first one is learned here and measured. */

import type { ScheduleEvent } from "../jobs/prune-events.ts";
import { partsOf } from "../queue/tasks/interval.ts";
import type { Runtime } from "../runtime/port.ts";
import { encodeAnswer, encodeState } from "../train/interval-bytes.ts";
import { runInterval } from "../train/interval-task.ts";
import type { IntervalAnswer, IntervalTask, Machines, OwnOptions } from "../train/spread.ts";

/** What all slices of a pruning take. */
export interface SlicesTaken {
  readonly jobs: number;
  /** Through the store, to it and back. Models are taken to be as large as at the start: there are no more. */
  readonly bytes: number;
  /** Seconds of the slice that was measured. */
  readonly first: number;
  /** Seconds of all, by one worker, and by as many as there are slices. */
  readonly byOne: number;
  readonly byAll: number;
}

export interface MeasuredSlices extends Machines {
  /** @param round minibatches between two averagings of fine-tuning */
  of(schedule: ScheduleEvent, round: number): SlicesTaken;
}

/** Machines of which one learns a slice, whose answer stands for those of all others. */
export function measureSlices(runtime: Runtime, count: number, own: OwnOptions): MeasuredSlices {
  const steps: number[] = [];
  let measured: { readonly task: IntervalTask; readonly answer: IntervalAnswer; readonly seconds: number };
  let learning: Promise<IntervalAnswer> | undefined;
  const learn = async (task: IntervalTask): Promise<IntervalAnswer> => {
    const began = performance.now();
    const now = (): number => (performance.now() - began) / 1000;
    const answer = await runInterval(runtime, task, own, () => steps.push(now()));
    measured = { task, answer, seconds: now() };
    return answer;
  };
  return {
    count,
    run: (task) => (learning ??= learn(task)),
    of({ removals, every, steps: pruning, tuningSteps = 0, tries = 1 }, round) {
      const [whole, rest] = [Math.floor(tuningSteps / round), tuningSteps % round];
      const kinds = [
        { intervals: removals, minibatches: every },
        { intervals: tries * whole, minibatches: round },
        { intervals: rest > 0 ? tries : 0, minibatches: rest },
      ];
      let [intervals, jobs, byOne, byAll] = [0, 0, 0, 0];
      for (const kind of kinds) {
        const slices = Math.min(count, kind.minibatches);
        intervals += kind.intervals;
        jobs += kind.intervals * slices;
        byOne += kind.intervals * (slices * opening(steps) + kind.minibatches * each(steps));
        byAll += kind.intervals * (opening(steps) + Math.ceil(kind.minibatches / count) * each(steps));
      }
      const { once, interval, minibatch, job } = sizesOf(measured.task, measured.answer);
      const minibatches = pruning + tries * tuningSteps;
      const bytes = once + intervals * interval + minibatches * minibatch + jobs * job;
      return { jobs, bytes, first: measured.seconds, byOne, byAll };
    },
  };
}

/** Seconds of a minibatch. */
const each = (steps: readonly number[]): number =>
  steps.length > 1 ? (steps.at(-1)! - steps[0]!) / (steps.length - 1) : steps[0]!;

/** Seconds until a slice learns: the network is opened for each. */
const opening = (steps: readonly number[]): number => Math.max(0, steps[0]! - each(steps));

/** Bytes that travel once, with each interval, with each minibatch, and back from each job. */
function sizesOf(task: IntervalTask, answer: IntervalAnswer) {
  const sum = (isOf: (name: string) => boolean): number =>
    partsOf(task).reduce((all, { name, encode }) => all + (isOf(name) ? encode().length : 0), 0);
  return {
    once: sum((name) => name === "teacher" || name.startsWith("loss-")),
    // At the very start an optimiser keeps nothing yet.
    interval: sum((name) => name === "model") + encodeState(answer.optimiserState).length,
    minibatch: sum((name) => name.startsWith("batch-")) / task.lessons.length,
    job: encodeAnswer(answer).length,
  };
}
