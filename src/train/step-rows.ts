/**
 * Weights, statistics and optimiser state that are carried in a few rows instead of one by one. On a graphics card each
 * tensor that leaves a step takes a buffer, and the runtime keeps only some of a size for the next step: it makes and
 * destroys the others anew each time. The update is of rows too, so that it takes few operators.
 */

import type { GraphBuilder } from "../graph/builder.ts";
import { sizeOf, type Tensor } from "../graph/tensor.ts";
import type { Value } from "../ops/core/define.ts";
import type { Emit } from "../ops/core/emit.ts";
import { alias, valueIn } from "../ops/emitter.ts";
import type { LearningOptions } from "../options/learning.ts";
import { packed, packParameters, type PackedParameters } from "./packed-parameters.ts";

/** What an update starts from. */
export interface Unfinished {
  readonly builder: GraphBuilder;
  readonly g: Emit;
  /** ∂(mean loss)/∂w by parameter name. */
  readonly gradients: ReadonlyMap<string, Value>;
  /** The next value of each statistic. */
  readonly states: readonly (readonly [string, Value])[];
  /** Makes a weight or statistic an input, and gives what it starts from. */
  takeIn(name: string): Tensor;
}

/** Elements of a weight in a row, and of a row: 4 and 16 MB. Of larger buffers a runtime keeps next to none. */
const [small, longest] = [2 ** 20, 2 ** 22];

/** The same update of rows: what comes in is cut into weights and statistics, and what these come to is joined. */
export function joinInRows(
  { builder, g, gradients, states, takeIn }: Unfinished,
  { optimiser }: Pick<LearningOptions, "optimiser">,
): Unfinished & { readonly rows: readonly PackedParameters[] } {
  // Steps in units of a weight's size look at it as a whole.
  const isApart = optimiser?.kind === "adamw" && optimiser.relative === true;
  const named = (row: PackedParameters): PackedParameters =>
    row.members.length === 1 ? row : { ...row, name: `row/${row.name}` };
  const inRows = (names: readonly string[], apart: boolean): PackedParameters[] =>
    packParameters(names, builder.initializers, { isApart: apart, small, longest }).map(named);
  const parameters = inRows([...gradients.keys()], isApart);
  const next = new Map(states);
  const statistics = inRows([...next.keys()], false);
  const rows = [...parameters, ...statistics];
  const joined = (row: PackedParameters, of: ReadonlyMap<string, Value>): Value => {
    const [first, ...others] = row.members.map(({ name }) => of.get(name)!);
    if (others.length === 0) return first!;
    const flat = [first!, ...others].map((value) => g.reshaped(value, [sizeOf(value.shape)]));
    return g.reshaped(g.joined(flat, 0), packed(row, (name) => builder.initializers.get(name)!).shape);
  };
  const byName = new Map(rows.map((row) => [row.name, row]));
  return {
    builder,
    g,
    rows,
    gradients: new Map(parameters.map((row) => [row.name, joined(row, gradients)])),
    states: statistics.map((row) => [row.name, joined(row, next)] as const),
    takeIn(name) {
      const row = byName.get(name)!;
      return row.members.length === 1 ? takeIn(name) : takeRow(builder, g, row);
    },
  };
}

/** Makes a row an input, from which its members are cut. */
function takeRow(builder: GraphBuilder, g: Emit, { name, members }: PackedParameters): Tensor {
  const start = packed({ name, members }, (member) => builder.initializers.get(member)!);
  const { dtype, shape } = start;
  const row = valueIn(builder, builder.input(name, { dtype, shape }, true));
  const known = builder.nodes.length;
  const flat = g.reshaped(row, [sizeOf(shape)]);
  let at = 0;
  for (const member of members) {
    const size = sizeOf(member.shape);
    builder.initializers.delete(member.name);
    alias(builder, g.reshaped(g.Slice(flat, g.ints([at]), g.ints([at + size])), member.shape).name, member.name);
    at += size;
  }
  // What reads them stands there already.
  builder.nodes.unshift(...builder.nodes.splice(known));
  return start;
}
