/** The gradient graph of a model: its loss, and the gradient of every parameter or what criteria ask of every unit. */

import type { GatePlace } from "../options/ranking.ts";
import { differentiate, type Inside } from "../autodiff/differentiate.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { fail, option } from "../graph/error.ts";
import { describe, type Graph, type Type, type ValueInfo } from "../graph/graph.ts";
import { isFloat } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { alias, createEmitter } from "../ops/emitter.ts";
import { removeDead } from "../passes/dead.ts";
import type { BatchPlace } from "../passes/batch-place.ts";
import { batchPlaces } from "../passes/open-stage.ts";
import { lower, type Capabilities } from "../passes/lower.ts";
import { mergeEqual } from "../passes/merge.ts";
import { ownNames } from "../passes/own-names.ts";
import { quantisedOf } from "../passes/quantised.ts";
import { builderOn, type Traced } from "../passes/trace.ts";
import { enterTraining, statesOf } from "../passes/training.ts";
import { widen } from "../passes/widen.ts";
import { analyse, type Analysis } from "../prune/coupling/analysis.ts";
import { appendEvidence, watch, watchedValues, type EvidenceValues, type PassNeed, type Watched } from "./evidence.ts";
import { mixInputs, mixtureIn } from "./mixup.ts";
import { appendObjective, type ObjectiveInputs, type ObjectiveOptions } from "./objective.ts";

export interface BackwardOptions extends Omit<ObjectiveOptions, "mixture" | "positions"> {
  readonly batch: number;
  /** Whether samples are mixed, by a permutation and a share that are further inputs. */
  readonly mixup?: boolean | undefined;
  /** Whether to differentiate with respect to all parameters. */
  readonly parameters: boolean;
  /** What to gather for criteria; default nothing. */
  readonly needs?: readonly PassNeed[] | undefined;
  /** Where gates stand. */
  readonly gates?: GatePlace | undefined;
  /** BatchNormalization by the batch's statistics, Dropout at work. */
  readonly train: boolean;
  /** Whether what is drawn at random while learning comes in through inputs; default: the runtime draws it. */
  readonly randomInputs?: boolean | undefined;
}

/** A graph with its backward pass appended, still open to additions. */
export interface Backward {
  readonly builder: GraphBuilder;
  readonly g: Emit;
  readonly loss: Value;
  /** ∂(mean loss)/∂w by parameter name. */
  readonly parameters: ReadonlyMap<string, Value>;
  /** What was asked for of each group. */
  readonly evidence: EvidenceValues;
  /** For each initializer that holds statistics the value of the next ones; empty in inference mode. */
  readonly states: ReadonlyMap<string, string>;
  /** Inputs that take uniform numbers of [0, 1), other ones in every step. */
  readonly randomInputs: readonly ValueInfo[];
  /** The groups that evidence was gathered for. */
  readonly groups: Analysis | undefined;
  /** What the objective takes in. */
  readonly objective: ObjectiveInputs;
}

/** Where samples lie, where that is asked for. */
const samplesIn = ({ needs, groups }: Watched, batch: number): ReadonlyMap<string, BatchPlace> =>
  needs.has("gates") ? batchPlaces(groups.graph, batch, groups.traced) : new Map();

/** The nodes that keep the shape of the output from being known. */
function explainRefusals({ refusals }: Traced): string {
  const first = refusals.filter(({ reason }) => !reason.startsWith("the shape of its input"));
  return first
    .map(({ node, reason }) => `${describe(node)}: ${reason}`)
    .slice(0, 5)
    .join("; ");
}

/**
 * Float initializers that can learn: not statistics, not scales of what is quantised, and no scalars,
 * which exporters make of numbers in code.
 *
 * @throws SecateurError `unsupported` where all that could learn is integers
 */
export function parameterNames(graph: Graph): string[] {
  const states = statesOf(graph);
  const { weights, settings } = quantisedOf(graph);
  const found = [...graph.initializers].flatMap(([name, { dtype, shape }]) =>
    isFloat(dtype) && shape.length > 0 && !states.has(name) && !settings.has(name) ? [name] : [],
  );
  if (found.length === 0 && weights.size > 0)
    fail(
      "unsupported",
      "the model's weights are quantised, and integers do not learn: prune and fine-tune the float model, then " +
        "quantise the result",
    );
  return found;
}

/** Appends the objective and the gradients asked for. */
export function appendBackward(graph: Graph, options: BackwardOptions): Backward {
  const { batch } = options;
  const plain = widen(graph);
  const whole = analyse(plain, { batch });
  const base = options.mixup ? mixInputs(whole, batch) : plain;
  const outputs = base.outputs.map(({ name }) => name);
  const {
    graph: forward,
    states,
    randomInputs,
  } = options.train
    ? enterTraining(base, { randomInputBatch: options.randomInputs ? batch : undefined })
    : { graph: base, states: new Map<string, string>(), randomInputs: [] };
  const { traced } = forward === plain ? whole : analyse(forward, { batch });
  const { needs = [], gates: at = "after-bn" } = options;
  const analysis = needs.length === 0 ? undefined : whole;
  if (!traced.types.has(outputs[0] ?? "")) fail("unsupported", explainRefusals(traced));
  const watched = analysis && watch(analysis, needs, at, options.parameters);
  const builder = builderOn(traced);
  const g = createEmitter(builder);
  const mixture = options.mixup ? mixtureIn(builder) : undefined;
  const objective = appendObjective(builder, outputs, { ...options, mixture, positions: graph.positions });
  const candidates = options.parameters ? parameterNames(forward) : [];
  const insides: Inside[] = [];
  const wanted = [...new Set([...candidates, ...(watched ? watchedValues(watched) : [])])];
  const collect = watched?.needs.has("gates") ? insides : undefined;
  const gradients = differentiate(builder, objective.ys, wanted, collect);
  const parameters = new Map(
    candidates.flatMap((name) => (gradients.get(name) ? [[name, gradients.get(name)!] as const] : [])),
  );
  const evidence: EvidenceValues = watched
    ? appendEvidence({ builder, g, batch, gradients, insides, samples: samplesIn(watched, batch) }, watched)
    : new Map();
  return { builder, g, loss: objective.mean, parameters, evidence, states, randomInputs, groups: analysis, objective };
}

/** A finished graph, and the types of its values. */
export interface Finished {
  readonly graph: Graph;
  readonly types: ReadonlyMap<string, Type>;
}

/**
 * The finished graph: what is lowered is lowered, what is equal is one, what is dead is gone.
 *
 * @param capabilities of the runtime at hand, for a graph that only it will run
 */
export function finishTyped(builder: GraphBuilder, outputs: readonly string[], capabilities?: Capabilities): Finished {
  const whole = builder.finish(outputs);
  const { graph, types } = lower({ ...whole, info: new Map() }, builder.types, builder.known, capabilities);
  return { graph: ownNames(removeDead(mergeEqual(removeDead(graph)))), types };
}

/** The graph of {@link finishTyped}. */
export const finishGraph = (builder: GraphBuilder, outputs: readonly string[], capabilities?: Capabilities): Graph =>
  finishTyped(builder, outputs, capabilities).graph;

/**
 * The graph that `secateur grad` writes: inputs of the model and `target`; outputs `loss` and `grad/NAME` for each
 * parameter, or `grad/GROUP` [N, units] for each group.
 */
export function gradientGraph(
  graph: Graph,
  options: Omit<BackwardOptions, "parameters" | "needs"> & { readonly wrt: "parameters" | "gates" },
): Graph {
  const { wrt, ...rest } = options;
  const backward = appendBackward(graph, {
    ...rest,
    parameters: wrt === "parameters",
    needs: wrt === "gates" ? ["gates"] : [],
  });
  const gates = [...backward.evidence].flatMap(([name, found]) => {
    const value = found.get("gates");
    if (value && value.shape[0] !== options.batch)
      fail(
        "unsupported",
        `the samples of the batch cannot be told apart at the gates of "${name}": use ${option("batch", 1)}`,
      );
    return value ? [[name, value] as const] : [];
  });
  const outputs = ["loss"];
  for (const [name, value] of wrt === "parameters" ? backward.parameters : gates) {
    const named = backward.builder.claim(`grad/${name}`);
    alias(backward.builder, value.name, named);
    outputs.push(named);
  }
  return finishGraph(backward.builder, outputs);
}
