/** The gradient graph of a model: its loss, and the gradient of every parameter or of every gate. */

import { differentiate, type Inside } from "../autodiff/differentiate.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { fail } from "../graph/error.ts";
import { describe, type Graph } from "../graph/graph.ts";
import { isFloat } from "../graph/tensor.ts";
import type { Value } from "../ops/define.ts";
import type { Emit } from "../ops/emit.ts";
import { alias, createEmitter, valueIn } from "../ops/emitter.ts";
import { removeDead } from "../passes/dead.ts";
import { lower } from "../passes/lower.ts";
import { mergeEqual } from "../passes/merge.ts";
import { trace, type Traced } from "../passes/trace.ts";
import { enterTraining, statesOf } from "../passes/training.ts";
import { widen } from "../passes/widen.ts";
import type { Place } from "../prune/places.ts";
import { gateGradient } from "../prune/gate-gradients.ts";
import { findGates } from "../prune/gates.ts";
import { findGroups, type Groups } from "../prune/groups.ts";
import { appendLoss, type Distillation, type Loss } from "./losses.ts";

export interface BackwardOptions {
  readonly batch: number;
  readonly loss: Loss;
  readonly distillation?: Distillation | undefined;
  /** Differentiate with respect to parameters, gates or both. */
  readonly parameters: boolean;
  readonly gates: boolean;
  /** BatchNormalization by the batch's statistics, Dropout at work. */
  readonly train: boolean;
}

/** A graph with its backward pass appended, still open to additions. */
export interface Backward {
  readonly builder: GraphBuilder;
  readonly g: Emit;
  readonly loss: Value;
  /** ∂(mean loss)/∂w by parameter name. */
  readonly parameters: ReadonlyMap<string, Value>;
  /** G[n, m] = ∂E_n/∂z_m, [N, units], by group name. */
  readonly gates: ReadonlyMap<string, Value>;
  /** For each initializer that holds statistics the value of the next ones; empty in inference mode. */
  readonly states: ReadonlyMap<string, string>;
  /** The groups whose gates these are. */
  readonly groups: Groups | undefined;
  /** The number of classes that the target may name; 0 for a loss without classes. */
  readonly classes: number;
}

/** The nodes that keep the shape of the output from being known. */
function explainRefusals({ refusals }: Traced): string {
  const first = refusals.filter(({ reason }) => !reason.startsWith("the shape of its input"));
  return first
    .map(({ node, reason }) => `${describe(node)}: ${reason}`)
    .slice(0, 5)
    .join("; ");
}

/** Float initializers that can learn: not statistics, and no scalars, which exporters make of numbers in code. */
export function parameterNames(graph: Graph): string[] {
  const states = statesOf(graph);
  return [...graph.initializers].flatMap(([name, { dtype, shape }]) =>
    isFloat(dtype) && shape.length > 0 && !states.has(name) ? [name] : [],
  );
}

/** Appends the loss on the first output and the gradients asked for. */
export function appendBackward(graph: Graph, options: BackwardOptions): Backward {
  const { batch } = options;
  const base = widen(graph);
  const output = base.outputs[0]?.name ?? fail("bad-model", "the model has no output");
  const { graph: forward, states } = options.train
    ? enterTraining(base)
    : { graph: base, states: new Map<string, string>() };
  const traced = trace(forward, { batch });
  const groups = options.gates ? findGroups(options.train ? trace(base, { batch }) : traced) : undefined;
  const gates = groups ? findGates(groups) : new Map<string, readonly Place[]>();
  if (!traced.types.has(output)) fail("unsupported", explainRefusals(traced));
  const computed = new Map([...traced.constants].filter(([name]) => !forward.initializers.has(name)));
  const builder = new GraphBuilder(forward, traced.types, computed);
  const g = createEmitter(builder);
  const { perSample, mean, classes } = appendLoss(builder, output, options.loss, options.distillation);
  const candidates = options.parameters ? parameterNames(forward) : [];
  const gated = [...new Set([...gates.values()].flat().map(({ value }) => value))];
  const seed = g.filled(1 / batch, [batch]);
  const insides: Inside[] = [];
  const wanted = [...candidates, ...gated];
  const gradients = differentiate(builder, [{ value: perSample, seed }], wanted, groups && insides);
  const parameters = new Map(
    candidates.flatMap((name) => (gradients.get(name) ? [[name, gradients.get(name)!] as const] : [])),
  );
  const gateGradients = new Map<string, Value>();
  for (const group of groups?.groups ?? []) {
    const places = gates.get(group.name)!.filter(({ value }) => gradients.get(value));
    if (places.length === 0) continue;
    const at = (name: string) => ({
      value: valueIn(builder, name),
      gradient: gradients.get(name)!,
    });
    // The loss is a mean over the batch: N times its gradient is a sample's own.
    gateGradients.set(group.name, g.Mul(gateGradient(g, groups!, group, places, at, insides, batch), g.scalar(batch)));
  }
  return { builder, g, loss: mean, parameters, gates: gateGradients, states, groups, classes };
}

/** The finished graph: what is lowered is lowered, what is equal is one, what is dead is gone. */
export function finishGraph(builder: GraphBuilder, outputs: readonly string[]): Graph {
  const whole = builder.finish(outputs);
  const lowered = lower({ ...whole, info: new Map() }, builder.types, builder.known).graph;
  return removeDead(mergeEqual(removeDead(lowered)));
}

/**
 * The graph that `secateur grad` writes: inputs of the model and `target`; outputs `loss` and `grad/NAME` for each parameter, or
 * `grad/GROUP` [N, units] for each group.
 */
export function gradientGraph(
  graph: Graph,
  options: Omit<BackwardOptions, "parameters" | "gates"> & { readonly wrt: "parameters" | "gates" },
): Graph {
  const { wrt, ...rest } = options;
  const backward = appendBackward(graph, {
    ...rest,
    parameters: wrt === "parameters",
    gates: wrt === "gates",
  });
  const outputs = ["loss"];
  for (const [name, value] of wrt === "parameters" ? backward.parameters : backward.gates) {
    const named = backward.builder.claim(`grad/${name}`);
    alias(backward.builder, value.name, named);
    outputs.push(named);
  }
  return finishGraph(backward.builder, outputs);
}
