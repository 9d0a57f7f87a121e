/** A trainer that outlasts removals: writing and loading its graph anew takes as long as a step, so that it pays only now and then. */

import type { Scores } from "../criteria/criterion.ts";
import type { Batch } from "../data/batches.ts";
import type { Graph } from "../graph/graph.ts";
import { isFloat, type Tensor } from "../graph/tensor.ts";
import { trace } from "../passes/trace.ts";
import { costsOf } from "../passes/costs.ts";
import { cut, type Cut } from "../prune/cut/cut.ts";
import { findGroups, type Groups, type Removal } from "../prune/coupling/groups.ts";
import { replay } from "../prune/cut/replay.ts";
import { canMaskByWeights } from "../prune/cut/mask-by-weights.ts";
import { axesAfter, grown, isClear, noAxes, shrunk, type AxesOf } from "../prune/cut/axis-compaction.ts";
import type { Device, Runtime } from "../runtime/port.ts";
import type { Taken } from "../train/engine.ts";
import { shrinkScores, type Step } from "./removal.ts";
import type { LossScale } from "../objective/chance.ts";
import { ownerOf, type StepOptions, type TrainerState } from "../train/step.ts";
import type { Teacher } from "../train/teacher.ts";
import { Trainer, type StepResult } from "../train/trainer.ts";

/** When the graph of a trainer was written. */
export interface Written {
  /** After so many removals. */
  readonly removals: number;
  /** What it has computed for units that are gone since, or will have before the next removal, as a share of what takes as long as writing it. */
  readonly idle: number;
  /** Whether it may outlast the next removal: not where units that were gone have learned all the same. */
  readonly lasts: boolean;
}

export interface MaskingOptions {
  readonly step: StepOptions;
  /** Steps between two removals. */
  readonly every: number;
  /** A graph is written anew before it has computed so much for units that are gone, as a share of what takes as long as writing it; 0: after every removal. */
  readonly mostIdle: number;
}

/**
 * Multiply-accumulates of steps that take as long as a node of a model takes to be differentiated, written, loaded and run for the first time: on two cores, of ResNets and MobileNetV2; on another device, of
 * ResNet-56 on an H100.
 */
const macsPerNode = (device: Device = "cpu"): number => (device === "cpu" ? 8e7 : 2e9);

/** A graph whose costs are known. */
interface Costed {
  readonly graph: Graph;
  readonly macs: number;
}

/**
 * Learns between removals. Units that are gone stay in its graph for a while, with weights that are zero: what it computes is what the smaller graph computes, and what it learns is given in the smaller one's
 * shapes. When the graph is written anew follows from the removals alone.
 */
export class MaskingTrainer {
  readonly #runtime: Runtime;
  readonly #options: MaskingOptions;
  #trainer: Trainer | undefined;
  /** The model that its graph is of. */
  #whole: Costed;
  #written: Written;
  /** What has gone since. */
  #gone: Removal[] = [];
  #axesOf: AxesOf = noAxes;
  /** Where the interval began. */
  #state: TrainerState;
  /** Multiply-accumulates of what is there then. */
  #macs: number;
  /** The groups of the trainer's graph. */
  #groups: Groups | undefined;
  /** The groups of what is there when an interval begins, where something has gone. */
  #left: Groups | undefined;
  #released: Promise<void> = Promise.resolve();

  private constructor(runtime: Runtime, options: MaskingOptions, whole: Costed, written: Written, state: TrainerState) {
    this.#runtime = runtime;
    this.#options = options;
    this.#whole = whole;
    this.#written = written;
    this.#state = state;
    this.#macs = whole.macs;
  }

  /** For a model that nothing was removed from. */
  static start(runtime: Runtime, options: MaskingOptions, whole: Costed): MaskingTrainer {
    const state = { graph: whole.graph, optimiserState: new Map() };
    return new MaskingTrainer(runtime, options, whole, { removals: 0, idle: 0, lasts: true }, state);
  }

  /** As it was after some removals from `graph`. */
  static resume(
    runtime: Runtime,
    options: MaskingOptions,
    graph: Graph,
    from: TrainerState & { readonly removals: readonly Removal[]; readonly written: Written },
  ): MaskingTrainer {
    const { removals, written } = from;
    const { batch } = options.step;
    const matched = removals.slice(written.removals);
    let there = matched.length > 0 ? replay(graph, removals.slice(0, written.removals)).graph : from.graph;
    const macsOf = (graph: Graph): number => costsOf(trace(graph, { batch })).macs;
    const trainerOptions = new MaskingTrainer(runtime, options, { graph: there, macs: macsOf(there) }, written, from);
    for (const removal of matched) {
      const step = cut(there, findGroups(trace(there, { batch })), removal);
      trainerOptions.#follow(removal, step);
      there = step.graph;
    }
    trainerOptions.#macs = macsOf(there);
    return trainerOptions;
  }

  get written(): Written {
    return this.#written;
  }

  /** The number of classes that a label may name. */
  get classes(): number {
    return this.#trainer!.classes;
  }

  /** What its losses are measured by, from the samples of a minibatch. */
  scaleOf(batch: Batch, teacher?: Teacher): Promise<LossScale> {
    return this.#trainer!.scaleOf(batch, teacher);
  }

  /** Those that findings are of: of what is there, and what has gone since the graph was written. */
  get groups(): Groups | undefined {
    return this.#groups;
  }

  /** The groups of what is there, where they are known. */
  get left(): Groups | undefined {
    return this.#gone.length === 0 ? this.groups : this.#left;
  }

  /** Makes ready to learn from where a model is now. */
  async begin(state: TrainerState): Promise<void> {
    this.#state = state;
    this.#left = undefined;
    await this.#released;
    if (this.#trainer) {
      await this.#trainer.clear(this.#taken(state));
      return;
    }
    const whole = this.#grown(state);
    this.#trainer = await Trainer.create(this.#runtime, whole.graph, this.#options.step, whole.optimiserState);
    this.#groups = this.#trainer.groups;
  }

  /** One step; see Trainer. */
  async step(batch: Batch, rate: number, number: number, teacher?: Teacher): Promise<StepResult> {
    const running = this.#trainer!.step(batch, rate, number, teacher);
    if (this.#left === undefined && this.#gone.length > 0) {
      // Whoever waits for it is told; until then nobody does.
      running.catch(() => {});
      // It is on its way to another thread by then, where there is one: this one would only wait.
      await new Promise((resolve) => setTimeout(resolve));
      this.#left = findGroups(trace(this.#state.graph, { batch: this.#options.step.batch }));
    }
    return running;
  }

  /**
   * Ends an interval.
   *
   * @returns what is learned, in the shapes of what is there; `undefined` where what is gone has learned too, as behind a sigmoid: the interval counts for nothing, and is to be begun again where it began, without
   * what is gone
   */
  async end(): Promise<TrainerState | undefined> {
    const trainer = this.#trainer!;
    const due = this.#isDue(this.#macs);
    const whole = await trainer.state(due);
    if (due) this.#release();
    if (this.#gone.length === 0) return whole;
    const learned = [...trainer.learned].map((name) => [name, whole.graph.initializers.get(name)!] as const);
    const clear =
      learned.every(([name, value]) => isClear(this.#axesOf(name), value)) &&
      [...whole.optimiserState].every(([name, value]) => isClear(this.#axesOf(ownerOf(name)), value));
    if (!clear) {
      this.#rewrite({ graph: this.#state.graph, macs: this.#macs }, this.#gone.length, false);
      return undefined;
    }
    const initializers = new Map(this.#state.graph.initializers);
    for (const [name, value] of learned) initializers.set(name, shrunk(this.#axesOf(name), value));
    const optimiserState = [...whole.optimiserState].map(
      ([name, value]) => [name, shrunk(this.#axesOf(ownerOf(name)), value)] as const,
    );
    return { graph: { ...this.#state.graph, initializers }, optimiserState: new Map(optimiserState) };
  }

  /** What is known of each unit of {@link groups}, for those that are there. */
  ofLeft(scores: Scores): Map<string, Float64Array> {
    return this.#gone.reduce((left, removal) => shrinkScores(left, removal), new Map(scores));
  }

  /** Follows a removal: with zeros as long as that is cheaper, and possible. */
  remove(groups: Groups, { removal, smaller, costs: { macs } }: Pick<Step, "removal" | "smaller" | "costs">): void {
    // Where it was due already its sessions are gone.
    const trainer = this.#trainer;
    const may = !this.#isDue(macs) && smaller.matched === undefined;
    this.#macs = macs;
    if (trainer && may && canMaskByWeights(groups, removal, trainer.learned)) {
      this.#written = { ...this.#written, idle: this.#idleBy(macs) };
      this.#follow(removal, smaller);
    } else this.#rewrite({ graph: smaller.graph, macs }, this.#gone.length + 1, this.#written.lasts);
  }

  async dispose(): Promise<void> {
    this.#release();
    await this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** What the graph will have computed for nothing when so many multiply-accumulates have been learned with until the next removal. */
  #idleBy(macs: number): number {
    const { every, step } = this.#options;
    const { graph, macs: all } = this.#whole;
    return this.#written.idle + (every * step.batch * (all - macs)) / (graph.nodes.length * macsPerNode(step.device));
  }

  /** Whether it is time to write the graph anew, if so many multiply-accumulates are learned with next. */
  #isDue(macs: number): boolean {
    const { mostIdle } = this.#options;
    return mostIdle === 0 || !this.#written.lasts || this.#idleBy(macs) > mostIdle;
  }

  #follow(removal: Removal, smaller: Cut): void {
    this.#gone.push(removal);
    this.#axesOf = axesAfter(this.#axesOf, smaller, this.#whole.graph.initializers.keys());
  }

  /** What is learned next is learned by a graph without what is gone. */
  #rewrite(whole: Costed, more: number, lasts: boolean): void {
    this.#release();
    this.#written = { removals: this.#written.removals + more, idle: 0, lasts };
    this.#whole = whole;
    this.#gone = [];
    this.#axesOf = noAxes;
  }

  /** Lets go of the sessions, in their threads. */
  #release(): void {
    const trainer = this.#trainer;
    this.#trainer = undefined;
    if (trainer === undefined) return;
    this.#released = this.#released.then(() => trainer.dispose());
    // Whoever waits for it is told; until then nobody does.
    this.#released.catch(() => {});
  }

  /** A state in the shapes of the trainer's graph. */
  #grown(state: TrainerState): TrainerState {
    if (this.#gone.length === 0) return state;
    const initializers = [...this.#whole.graph.initializers].map(([name, old]): [string, Tensor] => {
      const now = state.graph.initializers.get(name);
      return [name, now && isFloat(now.dtype) ? grown(this.#axesOf(name), now) : old];
    });
    const optimiserState = [...state.optimiserState].map(
      ([name, value]) => [name, grown(this.#axesOf(ownerOf(name)), value)] as const,
    );
    return {
      graph: { ...this.#whole.graph, initializers: new Map(initializers) },
      optimiserState: new Map(optimiserState),
    };
  }

  /** What the last removal took of all that the trainer carries. */
  #taken({ optimiserState }: TrainerState): Taken {
    const of = (name: string, owner: string) =>
      [name, [...this.#axesOf(owner)].map(([axis, { last }]) => ({ axis, indices: last }))] as const;
    return new Map([
      ...[...this.#trainer!.learned].map((name) => of(name, name)),
      ...[...optimiserState.keys()].map((name) => of(name, ownerOf(name))),
    ]);
  }
}
