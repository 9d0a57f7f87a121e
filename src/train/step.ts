/** The graph of one training step: the forward pass, all gradients and the optimiser. */

import type { GraphBuilder } from "../graph/builder.ts";
import { fail } from "../graph/error.ts";
import type { Graph, Type, ValueInfo } from "../graph/graph.ts";
import { zeros, type NumericDType, type Tensor } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import { alias, valueIn } from "../ops/emitter.ts";
import type { Capabilities } from "../passes/lower.ts";
import type { GatePlace } from "../options/ranking.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import type { MachineOptions, Tensors } from "../runtime/port.ts";
import { nameEvidence, type EvidenceOutput, type PassNeed } from "../objective/evidence.ts";
import type { FitOptions } from "./activation-checkpointing.ts";
import { appendBackward, finishTyped } from "../objective/backward.ts";
import type { Distillation, ObjectiveInputs } from "../objective/objective.ts";
import type { LearningOptions } from "../options/learning.ts";
import type { Loss } from "../options/loss.ts";
import { joinInRows, type Unfinished } from "./step-rows.ts";
import type { PackedParameters } from "./packed-parameters.ts";
import { clipGradients, createOptimiser, moveAverage, numbersAt, type Clock, type Counting } from "./optimisers.ts";

export interface StepOptions
  extends MachineOptions, FitOptions, Pick<LearningOptions, "optimiser" | "clip" | "labelSmoothing" | "mixup" | "ema"> {
  readonly batch: number;
  readonly loss: Loss;
  readonly distillation?: Distillation | undefined;
  /** What criteria need of each step; default nothing. */
  readonly needs?: readonly PassNeed[] | undefined;
  /** Where gates stand. */
  readonly gates?: GatePlace | undefined;
  /** Decides what is drawn at random while learning; default 0. */
  readonly seed?: number | undefined;
  /** Parts that a minibatch is split into, each in a thread of its own; see data-parallel.ts. Default 1. */
  readonly workers?: number | undefined;
  /** What the graph is written for; a trainer finds it by trying where it is not handed in: see capabilities.ts. */
  readonly capabilities?: Capabilities | undefined;
  /** Whether weights and what is kept beside them are carried in rows; see step-rows.ts. Default not. */
  readonly inRows?: boolean | undefined;
}

/** What one step reads and writes besides the batch. */
export interface StepGraph {
  readonly graph: Graph;
  /** Of its values. */
  readonly types: ReadonlyMap<string, Type>;
  /**
   * Where learned weights, kept statistics and their optimiser state starts: an input
   * NAME and an output `next/NAME` each.
   */
  readonly carried: ReadonlyMap<string, Tensor>;
  /** The rows that these are in, where they are in rows. */
  readonly rows?: readonly PackedParameters[] | undefined;
  /** The outputs that are evidence. */
  readonly evidence: readonly EvidenceOutput[];
  readonly groups: Analysis | undefined;
  readonly objective: ObjectiveInputs;
  readonly randomInputs: readonly ValueInfo[];
}

const rateName = "learning_rate";
export const nextOf = (name: string): string => `next/${name}`;
const average = "average";
const stateNameOf = (state: string, name: string): string => `${state}/${name}`;
/**
 * Writes the graph of one step. Weights and statistics come in as inputs and leave as `next/NAME`. So does what is kept
 * beside them: the optimiser's state and, with `ema`, their averages as `average/NAME`.
 */
export function stepGraph(graph: Graph, options: StepOptions): StepGraph {
  const { backward, takeIn, evidence } = openStep(graph, options);
  const { builder, g, parameters, states } = backward;
  const clock = openClock(builder);
  const kept = [...states].filter(([name]) => builder.initializers.has(name));
  const ends = kept.map(([name, next]) => [name, valueIn(builder, next)] as const);
  const apart: Unfinished = { builder, g, gradients: parameters, states: ends, takeIn };
  const { rows, ...start } = options.inRows ? joinInRows(apart, options) : { ...apart, rows: undefined };
  const updates = appendUpdates(start, options, clock);
  const outputs = ["loss", ...updates.outputs, ...evidence.map(({ output }) => output)];
  return {
    ...backward,
    ...finishTyped(builder, outputs, options.capabilities),
    carried: updates.carried,
    rows,
    evidence,
  };
}

/** A step that has gone forward and backward, and whose weights are still initializers. */
export function openStep(graph: Graph, options: StepOptions) {
  checkOptions(options);
  const backward = appendBackward(graph, {
    batch: options.batch,
    loss: options.loss,
    distillation: options.distillation,
    labelSmoothing: options.labelSmoothing,
    mixup: options.mixup !== undefined,
    parameters: true,
    needs: options.needs,
    gates: options.gates,
    train: true,
    randomInputs: true,
  });
  const { builder, parameters } = backward;
  if (parameters.size === 0)
    fail("unsupported", "the loss does not depend on any weight of the model: there is nothing to train");
  /** Makes an initializer an input. */
  const takeIn = (name: string): Tensor => {
    const start = builder.initializers.get(name)!;
    builder.initializers.delete(name);
    builder.inputs.push({ name, dtype: start.dtype, shape: start.shape });
    return start;
  };
  return { backward, takeIn, evidence: nameEvidence(builder, backward.evidence) };
}

/** The learning rate as an input, and what follows from the number of the step, each where it is asked for. */
export function openClock(builder: GraphBuilder): Clock {
  const inputs = new Map<string, Value>();
  const number = (name: string): Value => {
    const known = inputs.get(name) ?? valueIn(builder, builder.input(name, { dtype: "float32", shape: [] }, true));
    inputs.set(name, known);
    return known;
  };
  return { rate: number(rateName), number };
}

/** What a clock is fed with at a step, which is 0 for the first. */
export const clockAt = (rate: number, step: number, learning: Counting): Tensors =>
  Object.fromEntries(
    Object.entries({ [rateName]: rate, ...numbersAt(step + 1, learning) }).map(([name, value]) => [
      name,
      { dtype: "float32", shape: [], data: Float32Array.of(value) },
    ]),
  );

/** Appends the optimiser and the averages. */
export function appendUpdates(
  { builder, g, gradients, states, takeIn }: Unfinished,
  { optimiser: wanted = { kind: "sgd" }, clip, ema }: StepOptions,
  clock: Clock,
): { readonly carried: Map<string, Tensor>; readonly outputs: string[] } {
  const optimiser = createOptimiser(wanted);
  const carried = new Map<string, Tensor>();
  const outputs: string[] = [];
  const carry = (name: string, start: Tensor, next: Value): void => {
    carried.set(name, start);
    alias(builder, next.name, builder.claim(nextOf(name)));
    outputs.push(nextOf(name));
  };
  const stateIn = (state: string, name: string): Value =>
    valueIn(builder, builder.input(stateNameOf(state, name), builder.types.get(name)!, true));
  const keep = (name: string, start: Tensor, next: Value): void => {
    carry(name, start, next);
    if (ema !== undefined)
      carry(stateNameOf(average, name), start, moveAverage(g, stateIn(average, name), next, clock));
  };
  const clipped = clip === undefined ? gradients : clipGradients(g, gradients, clip);
  for (const [name, gradient] of clipped) {
    const start = takeIn(name);
    const optimiserState = optimiser.optimiserState.map((state) => stateIn(state, name));
    const next = optimiser.update(g, { weight: valueIn(builder, name), gradient, optimiserState }, clock);
    keep(name, start, next.weight);
    optimiser.optimiserState.forEach((state, i) =>
      carry(stateNameOf(state, name), zeros(start.dtype as NumericDType, start.shape), next.optimiserState[i]!),
    );
  }
  for (const [name, next] of states) keep(name, takeIn(name), next);
  return { carried, outputs };
}

function checkOptions({ clip = 1, mixup = 1, ema = 0 }: StepOptions): void {
  if (!(clip > 0)) fail("bad-option", `gradients are clipped to a norm above 0, not to ${clip}`);
  if (!(mixup > 0)) fail("bad-option", `mixup takes shares from Beta(a, a) for a number a above 0, not for ${mixup}`);
  if (!(ema >= 0 && ema < 1)) fail("bad-option", `the decay of averaged weights is from 0 up to below 1, not ${ema}`);
}

/** What a trainer can go on from. */
export interface TrainerState {
  /** The weights and statistics as they were learned last. */
  readonly graph: Graph;
  /**
   * What is kept beside them, in their shapes: the optimiser's state, as
   * `velocity/NAME`, and averages, as `average/NAME`.
   */
  readonly optimiserState: ReadonlyMap<string, Tensor>;
}

/** The graph with the averages of weights and statistics in their places, where there are any. */
export function averagedGraph({ graph, optimiserState }: TrainerState): Graph {
  const averaged = [...graph.initializers].map(
    ([name, value]) => [name, optimiserState.get(stateNameOf(average, name)) ?? value] as const,
  );
  return { ...graph, initializers: new Map(averaged) };
}
