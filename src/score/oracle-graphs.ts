/**
 * The two graphs of the oracle: what no mask reaches, run once, and what follows the
 * gates of a group, run for many masks.
 */

import type { GraphBuilder } from "../graph/builder.ts";
import { fail } from "../graph/error.ts";
import { producersOf, type Graph, type Node } from "../graph/graph.ts";
import type { Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { alias, sameShape, valueIn } from "../ops/emitter.ts";
import { builderOn, type Traced } from "../passes/trace.ts";
import { insertGates } from "../prune/gates/gated.ts";
import type { Analysis } from "../prune/coupling/analysis.ts";
import type { AxisReference } from "../prune/coupling/axis-references.ts";
import { finishGraph } from "../objective/backward.ts";
import { appendObjective, type Objective, type ObjectiveOptions } from "../objective/objective.ts";

/** The unmasked net: outputs `loss` and the activations that suffixes read. */
export function prefixGraph(traced: Traced, values: ReadonlySet<string>, options: ObjectiveOptions) {
  const { graph } = traced;
  const builder = builderOn(traced);
  const objective = appendObjective(builder, outputsOf(graph), options);
  const given = new Set(graph.inputs.map(({ name }) => name));
  return { graph: finishGraph(builder, ["loss", ...[...values].filter((name) => !given.has(name))]), objective };
}

const outputsOf = (graph: Graph): string[] => graph.outputs.map(({ name }) => name);

/** A graph from the gates of a group to the loss. */
export interface Suffix {
  readonly graph: Graph;
  /** How many masks it evaluates at once, K. */
  readonly tile: number;
  /** Its inputs that are activations of the unmasked net, with their names there; [N, ...] each. */
  readonly reads: ReadonlyMap<string, string>;
  /** Its inputs that come with the batch, K times over: targets and noise. */
  readonly tiledInputs: readonly string[];
  /** The name of the input [K, units]: 1 keeps a unit, 0 masks it. */
  readonly factors: string;
  /** The name of the output [K]: the mean loss for each mask. */
  readonly losses: string;
}

/**
 * @param analysis of the net at batch size N
 * @param tiled of the net at batch size K N
 * @param gates of the group, at the places that remove its units
 * @throws SecateurError `unsupported` where samples are not told apart along the first axis of what must be tiled, or
 * by the loss
 */
export function suffixGraph(
  analysis: Analysis,
  tiled: Analysis,
  name: string,
  gates: readonly AxisReference[],
  tile: number,
  options: ObjectiveOptions,
): Suffix {
  const { traced } = tiled;
  let factors = "";
  const { builder, g, ungated } = insertGates(tiled, new Map([[name, gates]]), (b, emit, group) => {
    factors = b.input("factors", { dtype: "float32", shape: [tile, group.units.length] });
    return spread(emit, valueIn(b, factors), tile, batchOf(traced));
  });
  const objective = appendObjective(builder, outputsOf(traced.graph), options);
  const { targets, noises } = objective;
  const losses = lossesOf(g, objective, tile).name;
  const { nodes, frontier } = upTo(builder, losses, factors, tiled, ungated);
  builder.nodes.length = 0;
  const reads = new Map<string, string>();
  for (const inner of frontier) {
    const original = ungated.get(inner) ?? inner;
    const shape = analysis.traced.types.get(original)!.shape;
    const type = builder.types.get(inner)!;
    const input = builder.input(`unmasked/${original}`, { dtype: type.dtype, shape });
    reads.set(input, original);
    alias(builder, repeated(g, valueIn(builder, input), tile, type.shape).name, inner);
  }
  builder.nodes.push(...nodes);
  const tiledInputs = [...targets, ...noises].map(({ input }) => input);
  const own = new Set([...reads.keys(), factors, ...tiledInputs]);
  const kept = builder.inputs.filter((input) => own.has(input.name));
  builder.inputs.length = 0;
  builder.inputs.push(...kept);
  return {
    graph: finishGraph(builder, [losses]),
    tile,
    reads,
    tiledInputs,
    factors,
    losses,
  };
}

/** The mean loss of each mask, [K]. */
function lossesOf(g: Emit, { perSample, mean, files }: Objective, tile: number): Value {
  if (tile === 1 && perSample === undefined) return g.reshaped(mean, [1]);
  if (perSample === undefined) fail("unsupported", `the loss "${files.join(", ")}" is one number for all masks`);
  const rows = g.reshaped(perSample, [tile, perSample.shape[0]! / tile]);
  return g.ReduceMean(rows, g.ints([1]), { keepdims: 0 });
}

const batchOf = ({ graph, types }: Traced): number => types.get(graph.inputs[0]?.name ?? "")?.shape[0] ?? 1;

/**
 * Factors for each mask [K, units] as factors for each sample [K N, units]; for one
 * mask [units], which fits any layout.
 */
function spread(g: Emit, factors: Value, tile: number, batch: number): Value {
  const units = factors.shape[1]!;
  if (tile === 1) return g.reshaped(factors, [units]);
  const each = batch / tile;
  return g.reshaped(g.expanded(g.reshaped(factors, [tile, 1, units]), [tile, each, units]), [batch, units]);
}

/** A value K times behind itself along the first axis. */
function repeated(g: Emit, value: Value, tile: number, wanted: readonly number[]): Value {
  const { shape } = value;
  if (tile === 1 || shape.length === 0) {
    if (!sameShape(shape, wanted)) fail("internal", `"${value.name}" [${shape.join()}] is not [${wanted.join()}]`);
    return value;
  }
  if (!sameShape([shape[0]! * tile, ...shape.slice(1)], wanted))
    fail("unsupported", `the samples of the batch do not lie along the first axis of "${value.name}"`);
  return g.reshaped(g.expanded(g.reshaped(value, [1, ...shape]), [tile, ...shape]), wanted);
}

/** The nodes between the activations that no mask reaches and a result, and the names of those activations. */
function upTo(
  builder: GraphBuilder,
  result: string,
  factors: string,
  { graph, activations }: Analysis,
  ungated: ReadonlyMap<string, string>,
): { readonly nodes: readonly Node[]; readonly frontier: ReadonlySet<string> } {
  const masked = new Set([factors]);
  for (const node of builder.nodes)
    if (node.inputs.some((name) => masked.has(name))) for (const name of node.outputs) masked.add(name);
  const given = new Set(graph.inputs.map(({ name }) => name));
  const outer = (name: string): boolean =>
    !masked.has(name) && (given.has(name) || activations.has(ungated.get(name) ?? name));
  const producers = producersOf({ ...graph, nodes: builder.nodes });
  const needed = new Set<Node>();
  const frontier = new Set<string>();
  const pending = [result];
  for (let at = 0; at < pending.length; at++) {
    const name = pending[at]!;
    if (outer(name)) {
      frontier.add(name);
      continue;
    }
    const node = producers.get(name);
    if (node === undefined || needed.has(node)) continue;
    needed.add(node);
    pending.push(...node.inputs.filter((input) => input !== ""));
  }
  return { nodes: builder.nodes.filter((node) => needed.has(node)), frontier };
}
