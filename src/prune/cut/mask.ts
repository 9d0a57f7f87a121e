/** The twin of a cut that only zeroes units. */

import type { Graph, Node } from "../../graph/graph.ts";
import { namesOf } from "../../graph/names.ts";
import { once } from "../../graph/lazy.ts";
import { int64s, tensor, zeros, type DType, type NumericDType, type Shape, type Tensor } from "../../graph/tensor.ts";
import { beside, intOf } from "../../onnx/upgrade-step.ts";
import { applicationOf } from "../../passes/trace.ts";
import { patternOf } from "./computed-sizes.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { tracesOf } from "../coupling/other-settings.ts";
import { createOtherSizes, type OtherSizes } from "./other-sizes.ts";
import { removeWholeGroupsOf } from "./whole-group-cut.ts";
import { goneOf } from "./whole-group.ts";
import { removedIndices, type Removal } from "../coupling/removal.ts";

/**
 * Zeroes units without removing them: every activation that carries a removed unit is zero along it wherever it is
 * read, and so is what an operator needs zero to keep the unit from acting inside it (`maskInside`). All shapes stay.
 * It is what {@link cut} must equal, and refuses what that refuses. Along an axis that is as long as open sizes say,
 * the zeros are laid out while the graph runs.
 *
 * @param selects the types that Where may take: all of them in a graph that is written in other types before it runs
 */
export function mask(
  graph: Graph,
  analysis: Analysis,
  removal: Removal,
  elsewhere: OtherSizes = createOtherSizes(analysis, removal),
  selects: (dtype: DType) => boolean = hasWhere,
): Graph {
  const { traced, activations } = analysis;
  const removed = removedIndices(analysis, removal);
  const whole = goneOf(traced, removed);
  if (whole.size > 0) removeWholeGroupsOf(graph, analysis, removal, whole);
  const openLengths = once(() => tracesOf(analysis.others));
  const taken = namesOf(graph);
  const initializers = new Map(graph.initializers);
  const constants = new Map<string, string>();
  const constant = (key: string, base: string, make: () => Tensor): string => {
    const known = constants.get(key);
    if (known) return known;
    const name = taken.fresh(base);
    initializers.set(name, make());
    constants.set(key, name);
    return name;
  };
  const number = (list: readonly number[], base: string): string =>
    constant(`int64:${list.join()}`, base, () => int64s(list));
  /** The value `from`, of the type of `name`, zero along what goes of an axis. */
  const along = (
    node: Node,
    name: string,
    axis: number,
    gone: ReadonlySet<number>,
    from: string,
    to: string,
  ): Node[] => {
    const { shape, dtype } = traced.types.get(name)!;
    const size = shape[axis]!;
    const open = openLengths().some((there) => there.types.get(name)?.shape[axis] !== size);
    const ones = shape.slice(axis + 1).map(() => 1);
    // A number whose bits are all set keeps the other's in a bitwise product.
    const [kind, one] = selects(dtype) ? (["bool", 1] as const) : ([dtype as NumericDType, -1] as const);
    const line = (list: readonly boolean[], form: Shape): string =>
      constant(`${kind}:${form.join()}:${list.join()}`, `${name}_mask`, () =>
        tensor(
          kind,
          form,
          list.map((keep) => (keep ? one : 0)),
        ),
      );
    const zero = (): string => constant(`zero ${dtype}`, `zero_${dtype}`, () => zeros(dtype as NumericDType, []));
    if (!open) return [zeroing(dtype, selects, line(stayingOf(size, gone), [size, ...ones]), from, to, zero)];
    const { keep, stretched } = patternOf(node, [
      stayingOf(size, gone),
      ...elsewhere().map(({ analysis: { traced: there }, removed: lost }) =>
        stayingOf(there.types.get(name)!.shape[axis]!, lost.get(name)?.get(axis) ?? new Set()),
      ),
    ]);
    const own = (what: string): string => taken.fresh(`${name}_mask_${what}`);
    const [asked, times, both, whole, fitting] = ["size", "times", "form", "whole", "line"].map(own) as [
      string,
      string,
      string,
      string,
      string,
    ];
    const count = number([keep.length], `${name}_mask_count`);
    return [
      beside("Shape", [from], [asked], { start: intOf(axis), end: intOf(axis + 1) }),
      beside("Div", [asked, count], [times]),
      beside("Concat", stretched ? [count, times] : [times, count], [both], { axis: intOf(0) }),
      beside("Expand", [line(keep, stretched ? [keep.length, 1] : [1, keep.length]), both], [whole]),
      beside("Reshape", [whole, number([-1, ...ones], `${name}_mask_line`)], [fitting]),
      zeroing(dtype, selects, fitting, from, to, zero),
    ];
  };
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const inputs = [...node.inputs];
    const applied = applicationOf(traced, node);
    for (const [{ name }, axis] of applied?.op.maskInside?.(applied.inputs) ?? []) {
      const gone = removed.get(name)?.get(axis);
      if (gone === undefined || activations.has(name)) continue;
      const masked = taken.fresh(`${name}_silent`);
      nodes.push(...along(node, name, axis, gone, name, masked));
      inputs.forEach((input, i) => input === name && (inputs[i] = masked));
    }
    const after: Node[] = [];
    const outputs = node.outputs.map((name) => {
      const axes = removed.get(name);
      if (axes === undefined || !activations.has(name)) return name;
      let current = taken.fresh(`${name}_unmasked`);
      const first = current;
      const list = [...axes];
      list.forEach(([axis, gone], i) => {
        const next = i === list.length - 1 ? name : taken.fresh(`${name}_masked`);
        after.push(...along(node, name, axis, gone, current, next));
        current = next;
      });
      return first;
    });
    nodes.push({ ...node, inputs, outputs }, ...after);
  }
  return { ...graph, nodes, initializers };
}

/** Whether the runtime selects among values of this type; of the narrow integers it has only uint8. */
const hasWhere = (dtype: DType): boolean => !/^u?int(8|16)$/.test(dtype) || dtype === "uint8";

/** Zero where `keep` is false. A product would turn an infinity into NaN. */
function zeroing(
  dtype: DType,
  selects: (dtype: DType) => boolean,
  keep: string,
  value: string,
  result: string,
  zero: () => string,
): Node {
  if (!selects(dtype)) return beside("BitwiseAnd", [keep, value], [result]);
  if (dtype === "bool") return beside("And", [keep, value], [result]);
  return beside("Where", [keep, value, zero()], [result]);
}

const stayingOf = (size: number, gone: ReadonlySet<number>): boolean[] =>
  Array.from({ length: size }, (_, at) => !gone.has(at));
