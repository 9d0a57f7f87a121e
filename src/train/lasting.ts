/** A trainer that outlasts removals: writing and loading its graph anew takes as long as a step, so that it pays only now and then. */

import type { Scores } from "../criteria/criterion.ts";
import type { Batch } from "../data/batches.ts";
import type { Graph } from "../graph/graph.ts";
import { isFloat, type Tensor } from "../graph/tensor.ts";
import { trace } from "../passes/trace.ts";
import { costsOf } from "../prune/costs.ts";
import { cut, type Cut } from "../prune/cut.ts";
import { findGroups, type Groups, type Removal } from "../prune/groups.ts";
import { oneAfterAnother, replay } from "../prune/replay.ts";
import { canBeSilent } from "../prune/silent.ts";
import type { Runtime } from "../runtime/port.ts";
import { ownerOf, type StepOptions, type TrainerState } from "./step.ts";
import type { Teacher } from "./teacher.ts";
import { Trainer, type StepResult } from "./trainer.ts";

/** When the graph of a trainer was written. */
export interface Written {
  /** After so many removals. */
  readonly removals: number;
  /** What it has computed since for units that are gone, in steps. */
  readonly idle: number;
}

/** What went. */
export interface Gone {
  readonly groups: Groups;
  readonly removal: Removal;
  readonly cut: Cut;
  /** Multiply-accumulates of what is left. */
  readonly macs: number;
}

export interface LastingOptions {
  readonly step: StepOptions;
  /** Steps between two removals. */
  readonly every: number;
  /** A graph that has computed more than so many steps' worth for units that are gone is written anew. */
  readonly mostIdle: number;
}

/** A graph whose costs are known. */
interface Costed {
  readonly graph: Graph;
  readonly macs: number;
}

/**
 * Learns between removals. Units that are gone stay in its graph for a while, with weights that are zero: what it computes is what the smaller graph computes, and what it learns is given in the smaller one's
 * shapes. When the graph is written anew follows from the removals alone.
 */
export class LastingTrainer {
  readonly #runtime: Runtime;
  readonly #options: LastingOptions;
  #trainer: Trainer | undefined;
  /** The model that its graph is of. */
  #whole: Costed;
  #written: Written;
  /** What has gone since. */
  #gone: Pick<Gone, "removal" | "cut">[] = [];
  /** Where the round began. */
  #state: TrainerState;
  /** Whether what is gone was seen to learn all the same. */
  #learned = false;
  #released: Promise<void> = Promise.resolve();

  private constructor(runtime: Runtime, options: LastingOptions, whole: Costed, written: Written, state: TrainerState) {
    this.#runtime = runtime;
    this.#options = options;
    this.#whole = whole;
    this.#written = written;
    this.#state = state;
  }

  /** For a model that nothing was removed from. */
  static start(runtime: Runtime, options: LastingOptions, whole: Costed): LastingTrainer {
    return new LastingTrainer(runtime, options, whole, { removals: 0, idle: 0 }, { ...whole, slots: new Map() });
  }

  /** As it was after some removals from `graph`. */
  static resume(
    runtime: Runtime,
    options: LastingOptions,
    graph: Graph,
    from: TrainerState & { readonly removals: readonly Removal[]; readonly written: Written },
  ): LastingTrainer {
    const { removals, written } = from;
    const { batch } = options.step;
    const begin =
      written.removals < removals.length ? replay(graph, removals.slice(0, written.removals)).graph : from.graph;
    const macs = costsOf(trace(begin, { batch })).macs;
    const lasting = new LastingTrainer(runtime, options, { graph: begin, macs }, written, from);
    let smaller = begin;
    for (const removal of removals.slice(written.removals)) {
      const step = cut(smaller, findGroups(trace(smaller, { batch })), removal);
      lasting.#gone.push({ removal, cut: step });
      smaller = step.graph;
    }
    return lasting;
  }

  get written(): Written {
    return this.#written;
  }

  /** The number of classes that a label may name. */
  get classes(): number {
    return this.#trainer!.classes;
  }

  /** Those that findings are of: of what is there, and what has gone since the graph was written. */
  get groups(): Groups | undefined {
    return this.#trainer!.groups;
  }

  /** The groups of what is there, where they are known. */
  get left(): Groups | undefined {
    return this.#gone.length === 0 ? this.groups : undefined;
  }

  /** Makes ready to learn from where a model is now. */
  async begin(state: TrainerState): Promise<void> {
    this.#state = state;
    await this.#released;
    const whole = this.#grown(state);
    if (this.#trainer) await this.#trainer.carry(whole);
    else this.#trainer = await Trainer.create(this.#runtime, whole.graph, this.#options.step, whole.slots);
  }

  /** One step; see Trainer. */
  step(batch: Batch, rate: number, number: number, teacher?: Teacher): Promise<StepResult> {
    return this.#trainer!.step(batch, rate, number, teacher);
  }

  /**
   * Ends a round.
   *
   * @returns what is learned, in the shapes of what is there; `undefined` where what is gone has learned too, as behind a sigmoid: the round counts for nothing, and is to be begun again where it began, without
   * what is gone
   */
  async end(): Promise<TrainerState | undefined> {
    const whole = await this.#trainer!.state(true);
    if (this.#gone.length === 0) return whole;
    if (!this.#isSilent(whole)) {
      this.#learned = true;
      this.#rewrite(this.#state.graph, this.#whole.macs);
      return undefined;
    }
    const { shrink } = this.#since;
    const initializers = new Map(this.#state.graph.initializers);
    for (const name of this.#trainer!.learned)
      initializers.set(name, shrink(name, whole.graph.initializers.get(name)!));
    const slots = [...whole.slots].map(([name, value]) => [name, shrink(ownerOf(name), value)] as const);
    return { graph: { ...this.#state.graph, initializers }, slots: new Map(slots) };
  }

  /** What is known of each unit of {@link groups}, for those that are there. */
  ofLeft(scores: Scores): Map<string, Float64Array> {
    return this.#gone.reduce((left, { removal }) => shrinkScores(left, removal), new Map(scores));
  }

  /** Follows a removal: with zeros as long as that is cheaper, and possible. */
  remove({ groups, removal, cut: smaller, macs }: Gone): void {
    const idle = this.#written.idle + this.#options.every * (1 - macs / this.#whole.macs);
    const mayStay = idle <= this.#options.mostIdle && !this.#learned && smaller.followed === undefined;
    if (mayStay && canBeSilent(groups, removal, this.#trainer!.learned)) {
      this.#gone.push({ removal, cut: smaller });
      this.#written = { ...this.#written, idle };
      return;
    }
    this.#rewrite(smaller.graph, macs, 1);
  }

  async dispose(): Promise<void> {
    this.#release();
    await this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** What is learned next is learned by a graph without what is gone, `more` removals than were followed. */
  #rewrite(graph: Graph, macs: number, more = 0): void {
    this.#release();
    this.#written = { removals: this.#written.removals + this.#gone.length + more, idle: 0 };
    this.#whole = { graph, macs };
    this.#gone = [];
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

  get #since(): Cut {
    return oneAfterAnother(
      this.#gone.map((one) => one.cut),
      this.#state.graph,
    );
  }

  /** A state in the shapes of the trainer's graph. */
  #grown(state: TrainerState): TrainerState {
    if (this.#gone.length === 0) return state;
    const { grow } = this.#since;
    const { initializers } = this.#whole.graph;
    const grown = [...initializers].map(([name, old]): [string, Tensor] => {
      const now = state.graph.initializers.get(name);
      return [name, now && isFloat(now.dtype) ? grow(name, now) : old];
    });
    const slots = [...state.slots].map(([name, value]) => [name, grow(ownerOf(name), value)] as const);
    return { graph: { ...this.#whole.graph, initializers: new Map(grown) }, slots: new Map(slots) };
  }

  /** Whether all that is gone is zero in a state of the trainer. */
  #isSilent({ graph, slots }: TrainerState): boolean {
    const { shrink } = this.#since;
    const onlyZerosGo = (owner: string, value: Tensor): boolean => {
      const left = shrink(owner, value);
      return left === value || nonzeros(left) === nonzeros(value);
    };
    return (
      [...this.#trainer!.learned].every((name) => onlyZerosGo(name, graph.initializers.get(name)!)) &&
      [...slots].every(([name, value]) => onlyZerosGo(ownerOf(name), value))
    );
  }
}

function nonzeros({ data }: Tensor): number {
  let count = 0;
  for (const value of data as Float32Array) if (value !== 0) count++;
  return count;
}

/** Importances of the units that stay, renumbered as the cut does. */
export function shrinkScores(scores: Scores, removal: Removal): Map<string, Float64Array> {
  return new Map(
    [...scores].flatMap(([name, values]) => {
      const gone = new Set(removal.get(name));
      const left = values.filter((_, i) => !gone.has(i));
      return left.length > 0 ? [[name, left]] : [];
    }),
  );
}
