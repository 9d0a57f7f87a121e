/** Training steps: the forward pass, all gradients and the optimiser in one graph, run again and again. */

import type { Batch } from "../data/batches.ts";
import { allEnded } from "../execute/all-ended.ts";
import { sliceOf } from "../execute/batch-slices.ts";
import { capabilitiesOf } from "../execute/capabilities.ts";
import { feedsOf, nothingCounts, targetFeeds } from "../execute/feeds.ts";
import { fail, option } from "../graph/error.ts";
import type { Graph, ValueInfo } from "../graph/graph.ts";
import type { Shape, Tensor } from "../graph/tensor.ts";
import { scaleOf, type LossScale } from "../objective/chance.ts";
import { findingsOf } from "../objective/evidence.ts";
import { drawMixture } from "../objective/mixup.ts";
import type { ObjectiveInputs } from "../objective/objective.ts";
import { uniformNoise } from "../objective/random-inputs.ts";
import { narrowTo } from "../passes/widen.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import { held, type Held, type Runtime, type Tensors } from "../runtime/port.ts";
import { openDataParallel, threadsPerWorker } from "./data-parallel.ts";
import { openSingle } from "./engine.ts";
import type { Lesson, StepResult } from "./lesson.ts";
import { clockAt, type StepOptions, type TrainerState } from "./step.ts";
import type { Teacher } from "./teacher.ts";

/** A model in training. Dispose of it when its state has been read. */
export interface Trainer extends Held {
  /** Those that findings are of. */
  readonly groups: Analysis | undefined;
  readonly objective: ObjectiveInputs;
  /**
   * One step on one batch.
   *
   * @param number of the step in the whole run, from 0 on: it decides with the seed what is drawn at random, and how
   *   far averages of the optimiser have come
   * @param teacher whom the loss distils from, where it does
   * @param updates that the weights have behind them, where that is not the number of the step
   * @throws SecateurError `not-finite` where the loss is not a number any more, `bad-data` where the batch does not
   *   fit model and loss
   */
  step(batch: Batch, rate: number, number?: number, teacher?: Teacher, updates?: number): Promise<StepResult>;
  /** Lessons that it takes at once, at best. */
  readonly pace: number;
  /**
   * Learns from some minibatches.
   *
   * @returns for each of them what its step came to; nothing where it was lost
   * @throws SecateurError as {@link step}
   */
  learn(lessons: readonly Lesson[], teacher?: Teacher): Promise<(StepResult | undefined)[]>;
  /** What its losses are measured by, from the samples of a minibatch. */
  scaleOf(batch: Batch, teacher?: Teacher): Promise<LossScale>;
  /**
   * The graph with the weights and statistics as they are now, and what is kept beside them.
   *
   * @param last whether no step follows, which spares copies
   */
  state(last?: boolean): Promise<TrainerState>;
}

/**
 * Opens a trainer.
 *
 * @param graph the model with an open batch; its weights of other floats are trained in float32
 * @param optimiserState the optimiser's state and the averages of an earlier trainer, cut as the model was
 */
export async function openTrainer(
  runtime: Runtime,
  graph: Graph,
  options: StepOptions,
  optimiserState: ReadonlyMap<string, Tensor> = new Map(),
): Promise<Trainer> {
  const { device, workers } = options;
  const threads = threadsPerWorker(runtime, options.threads, workers);
  const capabilities = options.capabilities ?? (await capabilitiesOf(runtime, threads, device));
  const open = (workers ?? 1) > 1 ? openDataParallel : openSingle;
  const { step, engine } = await open(runtime, graph, { ...options, capabilities }, optimiserState);
  const { groups, objective, evidence } = step;
  const fed = { inputs: step.graph.inputs, objective, randomInputs: step.randomInputs, workers: engine.workers };
  const feedsFor = createFeeder(graph, options, fed);
  const run: Trainer["step"] = async (batch, rate, number = 0, teacher, updates = number) => {
    const results = await engine.run(await feedsFor(batch, number, teacher), clockAt(rate, updates, options));
    const loss = Number(results["loss"]!.data[0]);
    if (!Number.isFinite(loss))
      fail(
        "not-finite",
        `the loss became ${loss} at learning rate ${rate}: lower ${option("learningRate")}, or look for values ` +
          "that are not numbers in the data",
      );
    return { loss, findings: groups ? findingsOf(evidence, groups, results) : new Map() };
  };
  return {
    groups,
    objective,
    step: run,
    pace: 1,
    async learn(lessons, teacher) {
      const found: StepResult[] = [];
      for (const { batch, rate, number } of lessons) found.push(await run(batch, rate, number, teacher));
      return found;
    },
    async scaleOf(batch, teacher) {
      const parts = await feedsFor(batch, 0, teacher);
      if (!options.distillation?.weight && parts.every((feeds) => nothingCounts(objective, feeds)))
        fail(
          "bad-data",
          `the first minibatch, of ${batch.size} samples, has nothing to learn from: its targets hold nothing but ` +
            "the class id that is ignored. Look at the class ids of the data",
        );
      return scaleOf(objective, parts[0]!, options.distillation);
    },
    state: async (last) => stateOf(graph, await engine.carried(last)),
    ...held(() => engine.dispose()),
  };
}

/** What a step is fed with. */
export interface Fed {
  readonly inputs: readonly ValueInfo[];
  readonly objective: ObjectiveInputs;
  readonly randomInputs: readonly ValueInfo[];
  readonly workers: number;
}

/** Gives what each worker takes of a minibatch. */
export function createFeeder(model: Graph, { batch: size, mixup, seed = 0 }: StepOptions, fed: Fed) {
  const { workers, objective, randomInputs } = fed;
  const targetNames = new Set(objective.targets.map(({ input }) => input));
  const names = new Set(model.inputs.map(({ name }) => name));
  const taken = new Set(fed.inputs.map(({ name }) => name));
  const whole = (wanted: (name: string) => boolean): ValueInfo[] =>
    fed.inputs.filter(({ name }) => wanted(name)).map((input) => minibatchInput(input, workers));
  const inputs = whole((name) => names.has(name) && !targetNames.has(name));
  const targets = whole((name) => targetNames.has(name));
  return (batch: Batch, number: number, teacher: Teacher | undefined): Promise<Tensors[]> => {
    const target = Object.entries(targetFeeds(targets, objective, batch));
    const given = Object.entries(feedsOf({ inputs }, batch));
    const feeds = Array.from({ length: workers }, async (_, worker) => {
      // Each draws its own.
      const draw = number * workers + worker;
      const own = Object.fromEntries(given.map(([name, value]) => [name, sliceOf(value, worker, workers)]));
      const seen = { ...own, ...(mixup !== undefined && drawMixture(size / workers, mixup, seed, draw)) };
      const noise = randomInputs.map(
        ({ name, shape }, i) => [name, uniformNoise(shape as Shape, seed, draw, i)] as const,
      );
      return {
        ...seen,
        ...Object.fromEntries(target.map(([name, value]) => [name, sliceOf(value, worker, workers)])),
        // A feature that went with its group is not learned from any more.
        ...only(taken, await teacher?.answers(seen, worker)),
        ...Object.fromEntries(noise),
      };
    });
    return allEnded(feeds);
  };
}

const only = (names: ReadonlySet<string>, tensors: Tensors = {}): Tensors =>
  Object.fromEntries(Object.entries(tensors).filter(([name]) => names.has(name)));

/** An input of a worker as it is for the whole minibatch. */
const minibatchInput = ({ name, dtype, shape }: ValueInfo, workers: number): ValueInfo => ({
  name,
  dtype,
  ...(shape && { shape: [(shape[0] as number) * workers, ...shape.slice(1)] }),
});

/** The model with what an engine carries. */
function stateOf(graph: Graph, carried: Tensors): TrainerState {
  const initializers = new Map(graph.initializers);
  const optimiserState = new Map<string, Tensor>();
  for (const [name, value] of Object.entries(carried)) {
    const old = initializers.get(name);
    if (old === undefined) optimiserState.set(name, value);
    // Float32 goes into float64 and back. Beside what stays in float64, one that is narrower would not fit.
    else initializers.set(name, old.dtype === "float64" ? narrowTo(value, old) : value);
  }
  return { graph: { ...graph, initializers }, optimiserState };
}
