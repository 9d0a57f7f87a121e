/** Training steps: the forward pass, all gradients and the optimiser in one graph, run again and again. */

import type { Batch } from "../data/batches.ts";
import { fail, option } from "../graph/error.ts";
import type { Graph, ValueInfo } from "../graph/graph.ts";
import type { Shape, Tensor } from "../graph/tensor.ts";
import { narrowTo } from "../passes/widen.ts";
import type { Groups } from "../prune/coupling/groups.ts";
import type { Runtime, Tensors } from "../runtime/port.ts";
import { scaleOf, type LossScale } from "../objective/chance.ts";
import { openSingle, type Engine, type Taken } from "./engine.ts";
import { findingsOf, type Findings } from "../objective/evidence.ts";
import { feedsOf, targetFeed } from "../execute/feeds.ts";
import { capabilitiesOf } from "../execute/capabilities.ts";
import { drawMixture } from "../objective/mixup.ts";
import { uniformNoise } from "../objective/random-inputs.ts";
import { sliceOf } from "../execute/batch-slices.ts";
import { openDataParallel, threadsPerWorker } from "./data-parallel.ts";
import { rateName, stepName, type StepGraph, type StepOptions, type TrainerState } from "./step.ts";
import type { Teacher } from "./teacher.ts";

export interface StepResult {
  /** The mean loss of the batch, before the update. */
  readonly loss: number;
  /** What the step tells of each group; empty where nothing is needed. */
  readonly findings: Findings;
}

/** A model in training. Dispose of it when its weights have been read. */
export class Trainer {
  readonly groups: Groups | undefined;
  /** The number of classes that a label may name; 0 where the target is no label. */
  readonly classes: number;
  readonly #engine: Engine;
  readonly #step: StepGraph;
  /** What a minibatch has to fit: the model's inputs, and the target. */
  readonly #inputs: readonly ValueInfo[];
  /** The model that it began with. */
  readonly graph: Graph;
  /** The weights and statistics that steps write. */
  readonly learned: ReadonlySet<string>;
  readonly #options: StepOptions;

  private constructor(engine: Engine, step: StepGraph, graph: Graph, options: StepOptions) {
    this.#options = options;
    this.#engine = engine;
    // Where everything starts is forgotten: it would be one more set of the weights.
    this.#step = { ...step, carried: new Map() };
    this.graph = graph;
    this.learned = new Set([...step.carried.keys()].filter((name) => graph.initializers.has(name)));
    this.groups = step.groups;
    this.classes = step.classes;
    const own = new Set([...graph.inputs.map(({ name }) => name), "target"]);
    this.#inputs = step.graph.inputs
      .filter(({ name }) => own.has(name))
      .map((input) => minibatchInput(input, engine.workers));
  }

  /**
   * @param graph the model with an open batch; its weights of other floats are trained in float32
   * @param optimiserState the optimiser's state and the averages of an earlier trainer, cut as the model was
   */
  static async create(
    runtime: Runtime,
    graph: Graph,
    options: StepOptions,
    optimiserState: ReadonlyMap<string, Tensor> = new Map(),
  ): Promise<Trainer> {
    const { device, workers } = options;
    const threads = threadsPerWorker(runtime, options.threads, workers);
    const local = {
      ...options,
      capabilities: options.capabilities ?? (await capabilitiesOf(runtime, threads, device)),
    };
    const open = (options.workers ?? 1) > 1 ? openDataParallel : openSingle;
    const { step, engine } = await open(runtime, graph, local, optimiserState);
    return new Trainer(engine, step, graph, options);
  }

  /**
   * One step on one batch.
   *
   * @param number of the step in the whole run, from 0 on: it decides with the seed what is drawn at random, and how far averages of the
   *   optimiser have come
   * @param teacher whom the loss distils from, where it does
   * @throws SecateurError `not-finite` where the loss is not a number any more, `bad-data` where the batch does not fit model and loss
   */
  async step(batch: Batch, rate: number, number = 0, teacher?: Teacher): Promise<StepResult> {
    const results = await this.#engine.run(await this.#feeds(batch, number, teacher), {
      [stepName]: { dtype: "float64", shape: [], data: Float64Array.of(number + 1) },
      [rateName]: { dtype: "float32", shape: [], data: Float32Array.of(rate) },
    });
    const loss = Number(results["loss"]!.data[0]);
    if (!Number.isFinite(loss))
      fail(
        "not-finite",
        `the loss became ${loss} at learning rate ${rate}: lower ${option("learningRate")}, or look for values that are not numbers in the data`,
      );
    return { loss, findings: this.groups ? findingsOf(this.#step.evidence, this.groups, results) : new Map() };
  }

  /** What each part takes of a minibatch. */
  #feeds(batch: Batch, number: number, teacher: Teacher | undefined): Promise<Tensors[]> {
    const { workers } = this.#engine;
    const target = targetFeed({ inputs: this.#inputs }, batch, this.classes);
    const inputs = feedsOf({ inputs: this.#inputs.filter(({ name }) => name !== "target") }, batch);
    const feeds = Array.from({ length: workers }, async (_, worker) => {
      const own = Object.fromEntries(
        Object.entries(inputs).map(([name, value]) => [name, sliceOf(value, worker, workers)]),
      );
      // Each part draws its own.
      const draw = number * workers + worker;
      const seen = { ...own, ...this.#mixture(draw) };
      return {
        ...seen,
        ...(target && { target: sliceOf(target, worker, workers) }),
        ...(teacher && { teacher: await teacher.logits(seen, worker) }),
        ...this.#noise(draw),
      };
    });
    return Promise.all(feeds);
  }

  /** What its losses are measured by, from the samples of a minibatch. */
  async scaleOf(batch: Batch, teacher?: Teacher): Promise<LossScale> {
    const [first] = await this.#feeds(batch, 0, teacher);
    return scaleOf({ ...this.#options, classes: this.classes }, first!["target"], first!["teacher"]);
  }

  #mixture(step: number): Record<string, Tensor> {
    const { batch, mixup, seed = 0 } = this.#options;
    return mixup === undefined ? {} : drawMixture(batch / this.#engine.workers, mixup, seed, step);
  }

  #noise(step: number): Record<string, Tensor> {
    const { seed = 0 } = this.#options;
    return Object.fromEntries(
      this.#step.randomInputs.map(({ name, shape }, i) => [name, uniformNoise(shape as Shape, seed, step, i)]),
    );
  }

  /**
   * The graph with the weights and statistics as they are now, and what is kept beside them.
   *
   * @param last whether no step follows, which spares copies
   */
  async state(last = false): Promise<TrainerState> {
    const now = await this.#engine.carried(last);
    const initializers = new Map(this.graph.initializers);
    const optimiserState = new Map<string, Tensor>();
    for (const [name, value] of Object.entries(now)) {
      const old = initializers.get(name);
      if (old === undefined) optimiserState.set(name, value);
      // Float32 goes into float64 and back. Beside what stays in float64, one that is narrower would not fit.
      else initializers.set(name, old.dtype === "float64" ? narrowTo(value, old) : value);
    }
    return { graph: { ...this.graph, initializers }, optimiserState };
  }

  /** Sets some of its weights, statistics and optimiser state to zero. */
  clear(taken: Taken): Promise<void> {
    return this.#engine.clear(taken);
  }

  dispose(): Promise<void> {
    return this.#engine.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** An input of a part as it is for the whole minibatch. */
const minibatchInput = ({ name, dtype, shape }: ValueInfo, workers: number): ValueInfo => ({
  name,
  dtype,
  ...(shape && { shape: [(shape[0] as number) * workers, ...shape.slice(1)] }),
});
