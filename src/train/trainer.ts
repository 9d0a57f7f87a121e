/** Training steps: the forward pass, all gradients and the optimiser in one graph, run again and again. */

import type { Batch } from "../data/batches.ts";
import { fail } from "../graph/error.ts";
import type { Graph, ValueInfo } from "../graph/graph.ts";
import { zeros, type NumericDType, type Shape, type Tensor } from "../graph/tensor.ts";
import { alias, valueIn } from "../ops/emitter.ts";
import type { GatePlace } from "../prune/gate-places.ts";
import type { Groups } from "../prune/groups.ts";
import type { LoadOptions, Runtime, Session } from "../runtime/port.ts";
import { blockOf } from "./blocks.ts";
import { findingsOf, nameEvidence, type EvidenceOutput, type Findings, type PassNeed } from "./evidence.ts";
import { feedsOf, targetOf } from "./feeds.ts";
import { appendBackward, finishGraph } from "./gradients.ts";
import type { Distillation, Loss } from "./losses.ts";
import { uniformNoise } from "./noise.ts";
import { runnable } from "./runnable.ts";
import type { Teacher } from "./teacher.ts";
import { defaultSgd, sgdStep, type SgdOptions } from "./optimisers.ts";

export interface StepOptions extends LoadOptions {
  readonly batch: number;
  readonly loss: Loss;
  readonly distillation?: Distillation | undefined;
  readonly sgd?: Partial<SgdOptions>;
  /** What criteria need of each step; default nothing. */
  readonly needs?: readonly PassNeed[] | undefined;
  /** Where gates stand. */
  readonly gates?: GatePlace | undefined;
  /** Decides what is drawn at random while learning; default 0. */
  readonly seed?: number | undefined;
  /** The block of channels of the runtime's kernels; see {@link blockOf}. */
  readonly block?: number | undefined;
}

export interface StepResult {
  /** The mean loss of the batch, before the update. */
  readonly loss: number;
  /** What the step tells of each group; empty where nothing is needed. */
  readonly findings: Findings;
}

/** What a trainer can go on from. */
export interface TrainerState {
  readonly graph: Graph;
  readonly velocities: ReadonlyMap<string, Tensor>;
}

/** What one step reads and writes besides the batch. */
interface StepGraph {
  readonly graph: Graph;
  /** Names of learned weights and kept statistics: an input NAME and an output `next/NAME` each. */
  readonly carried: ReadonlyMap<string, Tensor>;
  readonly parameters: readonly string[];
  /** The outputs that are evidence. */
  readonly evidence: readonly EvidenceOutput[];
  readonly groups: Groups | undefined;
  readonly classes: number;
  readonly noises: readonly ValueInfo[];
}

const rateName = "learning_rate";
const velocityOf = (name: string): string => `velocity/${name}`;
const nextOf = (name: string): string => `next/${name}`;

/** Writes the graph of one step: weights, statistics and the optimiser's state come in as inputs and leave as `next/NAME`. */
export function stepGraph(graph: Graph, options: StepOptions): StepGraph {
  const sgd = { ...defaultSgd, ...options.sgd };
  const { builder, g, parameters, evidence, states, noises, groups, classes } = appendBackward(graph, {
    batch: options.batch,
    loss: options.loss,
    distillation: options.distillation,
    parameters: true,
    needs: options.needs,
    gates: options.gates,
    train: true,
    drawn: true,
  });
  if (parameters.size === 0)
    fail("unsupported", "the loss does not depend on any weight of the model: there is nothing to train");
  const rate = valueIn(builder, builder.input(rateName, { dtype: "float32", shape: [] }, true));
  const carried = new Map<string, Tensor>();
  const outputs = ["loss"];
  const carry = (name: string, start: Tensor, next: string): void => {
    carried.set(name, start);
    alias(builder, next, builder.claim(nextOf(name)));
    outputs.push(nextOf(name));
  };
  const asInput = (name: string): Tensor => {
    const start = builder.initializers.get(name)!;
    builder.initializers.delete(name);
    builder.inputs.push({ name, dtype: start.dtype, shape: start.shape });
    return start;
  };
  for (const [name, gradient] of parameters) {
    const start = asInput(name);
    const velocity = valueIn(
      builder,
      builder.input(velocityOf(name), { dtype: start.dtype, shape: start.shape }, true),
    );
    const next = sgdStep(g, sgd, valueIn(builder, name), gradient, velocity, rate);
    carry(name, start, next.weight.name);
    carry(velocityOf(name), zeros(start.dtype as NumericDType, start.shape), next.velocity.name);
  }
  for (const [name, next] of states) if (builder.initializers.has(name)) carry(name, asInput(name), next);
  const found = nameEvidence(builder, evidence);
  outputs.push(...found.map(({ output }) => output));
  return {
    graph: finishGraph(builder, outputs, options.block),
    carried,
    parameters: [...parameters.keys()],
    evidence: found,
    groups,
    classes,
    noises,
  };
}

/** A model in training. Dispose of it when its weights have been read. */
export class Trainer {
  readonly groups: Groups | undefined;
  /** The number of classes that a label may name; 0 where the target is no label. */
  readonly classes: number;
  readonly #session: Session;
  readonly #step: StepGraph;
  /** The model's inputs, as data must fit them. */
  readonly #inputs: Pick<Graph, "inputs">;
  readonly #graph: Graph;
  readonly #seed: number;

  private constructor(session: Session, step: StepGraph, graph: Graph, seed: number) {
    this.#seed = seed;
    this.#session = session;
    this.#step = step;
    this.#graph = graph;
    this.groups = step.groups;
    this.classes = step.classes;
    this.#inputs = {
      inputs: step.graph.inputs.filter(({ name }) => graph.inputs.some((input) => input.name === name)),
    };
  }

  /**
   * @param graph the model with an open batch; its float16 weights are trained in float32
   * @param velocities the optimiser's state of an earlier trainer, by `velocity/NAME`, cut as the model was
   */
  static async create(
    runtime: Runtime,
    graph: Graph,
    options: StepOptions,
    velocities: ReadonlyMap<string, Tensor> = new Map(),
  ): Promise<Trainer> {
    const step = stepGraph(graph, { ...options, block: await blockOf(runtime, options.device) });
    const carried = [...step.carried].map(([name, start]) => ({
      input: name,
      output: nextOf(name),
      start: velocities.get(name) ?? start,
    }));
    const session = await runtime.load(runnable(step.graph, options.device), { ...options, carried });
    return new Trainer(session, step, graph, options.seed ?? 0);
  }

  /**
   * One step on one batch.
   *
   * @param number of the step in the whole run, which with the seed decides what is drawn at random
   * @param teacher whom the loss distils from, where it does
   * @throws SecateurError `not-finite` where the loss is not a number any more, `bad-data` where the batch does not fit model and loss
   */
  async step(batch: Batch, rate: number, number = 0, teacher?: Teacher): Promise<StepResult> {
    const inputs = feedsOf(this.#inputs, batch);
    const target = targetOf(this.#step.graph, batch, this.classes);
    const results = await this.#session.run({
      ...inputs,
      ...(target && { target }),
      ...(teacher && { teacher: await teacher.logits(inputs) }),
      ...this.#noise(number),
      [rateName]: { dtype: "float32", shape: [], data: Float32Array.of(rate) },
    });
    const loss = Number(results["loss"]!.data[0]);
    if (!Number.isFinite(loss))
      fail(
        "not-finite",
        `the loss became ${loss} at learning rate ${rate}: lower --learning-rate, or look for values that are not numbers in the data`,
      );
    return { loss, findings: this.groups ? findingsOf(this.#step.evidence, this.groups, results) : new Map() };
  }

  #noise(step: number): Record<string, Tensor> {
    return Object.fromEntries(
      this.#step.noises.map(({ name, shape }, i) => [name, uniformNoise(shape as Shape, this.#seed, step, i)]),
    );
  }

  /** The graph with the weights and statistics as they are now, and the optimiser's state by `velocity/NAME`. */
  async state(): Promise<TrainerState> {
    const now = await this.#session.carried();
    const initializers = new Map(this.#graph.initializers);
    for (const name of initializers.keys()) if (now[name]) initializers.set(name, now[name]);
    const velocities = new Map(this.#step.parameters.map((name) => [velocityOf(name), now[velocityOf(name)]!]));
    return { graph: { ...this.#graph, initializers }, velocities };
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** The parameter whose state `velocity/NAME` is. */
export const parameterOf = (velocity: string): string => velocity.slice(velocityOf("").length);
