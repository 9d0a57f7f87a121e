/** A graph with its gates written into it: a factor z for each unit, on the activations at its gates. */

import { GraphBuilder } from "../../graph/builder.ts";
import { fail } from "../../graph/error.ts";
import { describe, type Node } from "../../graph/graph.ts";
import { tensor } from "../../graph/tensor.ts";
import type { Value } from "../../ops/core/define.ts";
import type { Emit } from "../../ops/core/emit.ts";
import { alias, createEmitter, inputsOf, valueIn } from "../../ops/emitter.ts";
import type { BatchPlace } from "../../passes/batch-place.ts";
import { batchPlaces } from "../../passes/open-stage.ts";
import { builderOn, applicationOf, type Application } from "../../passes/trace.ts";
import type { Analysis } from "../coupling/analysis.ts";
import type { Group } from "../coupling/groups.ts";
import type { AxisReference } from "../coupling/axis-references.ts";

export interface Gated {
  readonly builder: GraphBuilder;
  readonly g: Emit;
  /**
   * Activations before their gate, by the names they have in the gated graph; each with
   * its name in the graph without gates.
   */
  readonly ungated: ReadonlyMap<string, string>;
}

/**
 * Multiplies the activations at the gates of some groups by factors. With all factors 1 the graph
 * computes what it did; with the factor of a unit 0 it computes what {@link mask} does, if gates stand
 * where they remove units (the default place).
 *
 * @param groups of a trace with the batch size that the graph is to have
 * @param gates places by the name of the group; other groups have none
 * @param factors writes the factors of a group: [units] for all samples alike, or [N, units] for each of the N samples
 * @throws SecateurError `unsupported` where factors that differ between samples do not fit an activation
 */
export function insertGates(
  analysis: Analysis,
  gates: ReadonlyMap<string, readonly AxisReference[]>,
  factors: (builder: GraphBuilder, g: Emit, group: Group) => Value,
): Gated {
  const { graph, traced } = analysis;
  const builder = builderOn(traced);
  builder.nodes.length = 0;
  const g = createEmitter(builder);
  const open = analysis.groups
    .filter(({ name }) => gates.has(name))
    .map((group) => ({ group, z: factors(builder, g, group) }));
  const gatesOf = (value: string) =>
    open.flatMap(({ group, z }) =>
      gates
        .get(group.name)!
        .filter((place) => place.value === value)
        .map((place) => ({ group, z, place })),
    );
  const apart = open.find(({ z }) => z.shape.length > 1)?.z.shape[0];
  const samples = apart === undefined ? new Map<string, BatchPlace>() : batchPlaces(graph, apart);
  const ungated = new Map<string, string>();
  for (const node of graph.nodes) {
    const outputs = node.outputs.map((name) => {
      if (gatesOf(name).length === 0) return name;
      const before = builder.fresh(`${name}_ungated`);
      builder.types.set(before, builder.types.get(name)!);
      ungated.set(before, name);
      return before;
    });
    const inside = insideOf(g, analysis, open, applicationOf(traced, node));
    if (inside.length === 0) builder.nodes.push({ ...node, outputs });
    else pushParts(builder, g, { ...node, outputs }, applicationOf(traced, node)!, inside);
    node.outputs.forEach((name, i) => {
      let value = name === "" ? undefined : valueIn(builder, outputs[i]!);
      for (const { group, z, place } of gatesOf(name))
        value = g.Mul(value!, along(value!, place, indexed(g, analysis, group, place, z), samples.get(name), g));
      if (value && value.name !== name) alias(builder, value.name, name);
    });
  }
  return { builder, g, ungated };
}

/** The factors of groups whose units act inside a node, where a gate is needed too (`maskInside`). */
function insideOf(
  g: Emit,
  analysis: Analysis,
  open: readonly { readonly group: Group; readonly z: Value }[],
  applied: Application | undefined,
): Value[] {
  return (applied?.op.maskInside?.(applied.inputs) ?? []).flatMap(([{ name }, axis]) =>
    open.flatMap(({ group, z }) => {
      const place = group.axes.find((one) => one.value === name && one.axis === axis);
      return place ? [indexed(g, analysis, group, place, z)] : [];
    }),
  );
}

/** Writes a node by its parts, the activations inside it gated. */
function pushParts(
  builder: GraphBuilder,
  g: Emit,
  node: Node,
  { op, attributes }: Application,
  inside: readonly Value[],
): void {
  const inputs = inputsOf(builder, node);
  const results = op.decompose?.(g, inputs, attributes, node.outputs.length, (activation) => {
    let value = activation;
    for (const factor of inside) value = g.Mul(value, factor);
    return value;
  });
  if (results === undefined) fail("unsupported", `${describe(node)}: no gate can be put inside it`);
  node.outputs.forEach((name, i) => {
    if (name !== "") alias(builder, results[i]!.name, name);
  });
}

/** The factor of each index of an axis: [size] or [N, size]; 1 where an index is no unit's. */
function indexed(
  g: Emit,
  { traced, coupling }: Analysis,
  group: Group,
  { value, axis }: AxisReference,
  z: Value,
): Value {
  const first = coupling.first(value, axis);
  const size = traced.types.get(value)!.shape[axis]!;
  const units = group.units.length;
  const unitAt = new Int32Array(size).fill(units);
  group.units.forEach(({ atoms }, unit) => {
    for (const atom of atoms) if (atom >= first && atom < first + size) unitAt[atom - first] = unit;
  });
  if (units === size && unitAt.every((unit, i) => unit === i)) return z;
  const last = z.shape.length - 1;
  const one = g.constant(
    tensor("float32", [...z.shape.slice(0, last), 1], new Float64Array(z.shape[0]! ** last).fill(1)),
  );
  return g.Gather(g.Concat(z, one, { axis: last }), g.ints([...unitAt]), { axis: last });
}

/** Factors in a shape that broadcasts along an axis of a value. */
function along(
  { name, shape }: Value,
  { axis }: AxisReference,
  factor: Value,
  lie: BatchPlace | undefined,
  g: Emit,
): Value {
  const size = shape[axis]!;
  if (factor.shape.length === 1) return g.reshaped(factor, [size, ...shape.slice(axis + 1).map(() => 1)]);
  if (lie === undefined || lie.axis === axis)
    fail("unsupported", `the samples of the batch can not be told apart in "${name}" [${shape.join(", ")}]`);
  const { axis: on, inner } = lie;
  const batch = factor.shape[0]!;
  const rows = Array.from({ length: shape[on]! }, (_, i) => Math.floor(i / inner) % batch);
  const own = shape[on] === batch ? factor : g.Gather(factor, g.ints(rows), { axis: 0 });
  return g.reshaped(
    on < axis ? own : g.transposed(own, [1, 0]),
    shape.map((dim, i) => (i === on || i === axis ? dim : 1)),
  );
}
