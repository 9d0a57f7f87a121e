/**
 * Local SGD (Stich 2019, "Local SGD Converges Fast and Communicates Little"): machines learn from slices of the
 * minibatches without waiting for each other, and what they have learned is averaged after some steps of each.
 */

import type { Graph } from "../graph/graph.ts";
import { SecateurError, fail } from "../graph/error.ts";
import type { Tensor } from "../graph/tensor.ts";
import { scaleOf } from "../objective/chance.ts";
import { statesOf } from "../passes/training.ts";
import { held } from "../runtime/port.ts";
import { meanTensors, outerStep } from "./averaging.ts";
import type { LostEvent } from "./events.ts";
import type { TaughtOptions } from "./options.ts";
import { defaultAverageEvery, type IntervalAnswer, type IntervalTask, type OuterStep, type Spread } from "./spread.ts";
import { stepGraph, type StepOptions, type TrainerState } from "./step.ts";
import type { Lesson, StepResult } from "./lesson.ts";
import { createFeeder, type Trainer } from "./trainer.ts";

/** A slice of the minibatches of an interval: `from` included, `to` not. */
interface Slice {
  readonly from: number;
  readonly to: number;
}

/** Slices of about the same length, one after the other; they follow from the two numbers alone. None is empty. */
export function slicesOf(count: number, machines: number): Slice[] {
  const bound = (i: number): number => Math.floor((i * count) / machines);
  return Array.from({ length: machines }, (_, i) => ({ from: bound(i), to: bound(i + 1) })).filter(
    ({ from, to }) => from < to,
  );
}

/** What outer steps keep of a weight; it is cut with the weight, as all that optimisers keep. */
const outerName = (weight: string): string => `outer/${weight}`;

/**
 * Opens a trainer that has machines learn. It takes the minibatches of an interval at once, and computes nothing but
 * means itself.
 *
 * @param graph the model with an open batch
 * @param optimiserState the optimiser's state, the averages and the velocities of an earlier trainer, cut as the model
 * @throws SecateurError as {@link openTrainer}; whatever the last machine was lost by, where all are
 */
export function openLocalSgd(
  graph: Graph,
  options: StepOptions,
  spread: Spread & Pick<TaughtOptions, "teacher">,
  optimiserState: ReadonlyMap<string, Tensor>,
): Trainer {
  const { machines, averageEvery = defaultAverageEvery, round } = spread;
  const { workers = 1, batch: batchSize, seed = 0 } = options;
  const { groups, objective, carried: starts, ...step } = stepGraph(graph, { ...options, batch: batchSize / workers });
  const fed = { inputs: step.graph.inputs, objective, randomInputs: step.randomInputs, workers };
  const feedsFor = createFeeder(graph, options, fed);
  const statistics = statesOf(graph);
  let now: TrainerState = { graph, optimiserState };
  const learn: Trainer["learn"] = async (lessons) => {
    const slices = slicesOf(lessons.length, machines.count);
    // Each machine makes as many updates as there are lessons for one of them.
    const updates = Math.floor(lessons[0]!.number / machines.count);
    const shared = { ...now, teacher: spread.teacher, step: { ...stepOf(options), seed }, updates };
    const answers = await answersOf(spread, lessons, slices, shared, options.signal);
    const found = answers.filter((one) => one !== undefined);
    now = next(now, found, { ...spread, statistics, starts });
    return slices.flatMap(({ from, to }, i): (StepResult | undefined)[] =>
      answers[i] ? [...answers[i].steps] : Array.from({ length: to - from }, () => undefined),
    );
  };
  return {
    groups,
    objective,
    learn,
    get pace() {
      return round ?? machines.count * averageEvery;
    },
    async step(batch, rate, number = 0) {
      const [found] = await learn([{ batch, rate, number }]);
      return found!;
    },
    async scaleOf(batch, teacher) {
      const [first] = await feedsFor(batch, 0, teacher);
      return scaleOf(objective, first!, options.distillation);
    },
    state: async () => now,
    ...held(async () => undefined),
  };
}

/** How a step learns, without what is a machine's own. */
function stepOf({
  batch,
  loss,
  optimiser,
  clip,
  labelSmoothing,
  mixup,
  ema,
  needs,
  gates,
}: StepOptions): IntervalTask["step"] {
  return { batch, loss, optimiser, clip, labelSmoothing, mixup, ema, needs, gates };
}

/** What each machine made of its slice; nothing where it was lost. */
async function answersOf(
  { machines, onLost }: Spread,
  lessons: readonly Lesson[],
  slices: readonly Slice[],
  shared: Omit<IntervalTask, "lessons">,
  signal: AbortSignal | undefined,
): Promise<(IntervalAnswer | undefined)[]> {
  const tasks = slices.map(({ from, to }) => ({ ...shared, lessons: lessons.slice(from, to) }));
  const ended = await Promise.allSettled(tasks.map((task) => machines.run(task)));
  // Work that was called off is not lost.
  signal?.throwIfAborted();
  // What is at fault on one machine is on any other.
  const fault = ended.find((one) => one.status === "rejected" && one.reason instanceof SecateurError);
  const lost = ended.flatMap((one, i) => (one.status === "rejected" ? [{ i, reason: one.reason as unknown }] : []));
  if (fault?.status === "rejected") throw fault.reason;
  if (lost.length === ended.length)
    fail("io", `all machines were lost in one interval, the last one by: ${reasonOf(lost.at(-1)!.reason)}`);
  for (const { i, reason } of lost) onLost?.(lostEvent(i, tasks, reasonOf(reason)));
  return ended.map((one) => (one.status === "fulfilled" ? one.value : undefined));
}

const reasonOf = (reason: unknown): string => (reason instanceof Error ? reason.message : String(reason));

function lostEvent(i: number, tasks: readonly Pick<IntervalTask, "lessons">[], reason: string): LostEvent {
  const { lessons } = tasks[i]!;
  const samples = lessons.reduce((sum, { batch }) => sum + batch.size, 0);
  const slice = { step: lessons[0]!.number + 1, minibatches: lessons.length, samples };
  return { kind: "lost", machine: i + 1, machines: tasks.length, ...slice, reason };
}

/** What is known of what learns. */
interface Known {
  /** Those of the initializers that are averaged, and take no outer step. */
  readonly statistics: ReadonlySet<string>;
  /** Weights as the first step takes them: those of other floats in float32. */
  readonly starts: ReadonlyMap<string, Tensor>;
}

/** The state that all go on from. */
function next(
  { graph, optimiserState }: TrainerState,
  answers: readonly IntervalAnswer[],
  { statistics, starts, ...outer }: Known & OuterStep,
): TrainerState {
  const sharesOf = (of: "weights" | "optimiserState") =>
    answers.map((answer) => ({ value: answer[of], samples: answer.samples }));
  const initializers = new Map(graph.initializers);
  const kept = meanTensors(sharesOf("optimiserState"));
  for (const [name, mean] of meanTensors(sharesOf("weights"))) {
    if (statistics.has(name)) {
      initializers.set(name, mean);
      continue;
    }
    const own = outerName(name);
    const before = graph.initializers.get(name)!;
    const start = before.dtype === mean.dtype ? before : starts.get(name)!;
    const { weight, velocity } = outerStep(start, mean, optimiserState.get(own), outer);
    initializers.set(name, weight);
    if (velocity) kept.set(own, velocity);
  }
  return { graph: { ...graph, initializers }, optimiserState: kept };
}
