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
  const removed = removedIndices(analysis, removal);
  const whole = goneOf(analysis.traced, removed);
  if (whole.size > 0) removeWholeGroupsOf(graph, analysis, removal, whole);
  const zeroes = createZeroes(graph, analysis, elsewhere, selects);
  const nodes = graph.nodes.flatMap((node) => {
    const { node: inside, before } = zeroInside(node, analysis, removed, zeroes);
    const { node: masked, after } = zeroOutputs(inside, analysis, removed, zeroes);
    return [...before, masked, ...after];
  });
  return { ...graph, nodes, initializers: zeroes.initializers };
}

/** A node that reads zeros where `maskInside` asks for them, with the nodes that write these. */
function zeroInside(
  node: Node,
  { traced, activations }: Analysis,
  removed: Removed,
  { fresh, along }: Zeroes,
): { node: Node; before: Node[] } {
  const inputs = [...node.inputs];
  const before: Node[] = [];
  const applied = applicationOf(traced, node);
  for (const [{ name }, axis] of applied?.op.maskInside?.(applied.inputs) ?? []) {
    const gone = removed.get(name)?.get(axis);
    if (gone === undefined || activations.has(name)) continue;
    const masked = fresh(`${name}_silent`);
    before.push(...along(node, { name, axis, gone, from: name, to: masked }));
    inputs.forEach((input, i) => input === name && (inputs[i] = masked));
  }
  return { node: { ...node, inputs }, before };
}

/** A node whose activations go on under new names, with the nodes that zero these axis by axis. */
function zeroOutputs(
  node: Node,
  { activations }: Analysis,
  removed: Removed,
  { fresh, along }: Zeroes,
): { node: Node; after: Node[] } {
  const after: Node[] = [];
  const outputs = node.outputs.map((name) => {
    const axes = removed.get(name);
    if (axes === undefined || !activations.has(name)) return name;
    const unmasked = fresh(`${name}_unmasked`);
    let from = unmasked;
    [...axes].forEach(([axis, gone], i) => {
      const to = i === axes.size - 1 ? name : fresh(`${name}_masked`);
      after.push(...along(node, { name, axis, gone, from, to }));
      from = to;
    });
    return unmasked;
  });
  return { node: { ...node, outputs }, after };
}

type Removed = ReturnType<typeof removedIndices>;

/** What is to be zero: the value `from`, of the type of `name`, along what goes of an axis. */
interface Zeroed {
  readonly name: string;
  readonly axis: number;
  readonly gone: ReadonlySet<number>;
  readonly from: string;
  readonly to: string;
}

/** Writes the nodes that zero values, and the constants that these read. */
interface Zeroes {
  /** The initializers of the graph, and those of the nodes written so far. */
  readonly initializers: Map<string, Tensor>;
  /** A name that nothing has, like the given one. */
  fresh(name: string): string;
  /** The nodes that zero a value which `node` makes or reads. */
  along(node: Node, zeroed: Zeroed): Node[];
}

function createZeroes(
  graph: Graph,
  { traced, others }: Analysis,
  elsewhere: OtherSizes,
  selects: (dtype: DType) => boolean,
): Zeroes {
  const openLengths = once(() => tracesOf(others));
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
  /** A mask of a value, true or all bits set where a place stays. */
  const line = (name: string, list: readonly boolean[], form: Shape): string => {
    const { dtype } = traced.types.get(name)!;
    // A number whose bits are all set keeps the other's in a bitwise product.
    const [kind, one] = selects(dtype) ? (["bool", 1] as const) : ([dtype as NumericDType, -1] as const);
    const values = list.map((keep) => (keep ? one : 0));
    return constant(`${kind}:${form.join()}:${list.join()}`, `${name}_mask`, () => tensor(kind, form, values));
  };
  /** A mask as long as an open size says while the graph runs, and the nodes that lay it out. */
  const stretch = (node: Node, { name, axis, gone, from }: Zeroed, ones: Shape): { nodes: Node[]; mask: string } => {
    const { keep, stretched } = patternOf(node, [
      stayingOf(traced.types.get(name)!.shape[axis]!, gone),
      ...elsewhere().map(({ analysis: { traced: there }, removed: lost }) =>
        stayingOf(there.types.get(name)!.shape[axis]!, lost.get(name)?.get(axis) ?? new Set()),
      ),
    ]);
    const own = (what: string): string => taken.fresh(`${name}_mask_${what}`);
    const [asked, times, both] = [own("size"), own("times"), own("form")];
    const [all, mask] = [own("whole"), own("line")];
    const count = number([keep.length], `${name}_mask_count`);
    const pattern = line(name, keep, stretched ? [keep.length, 1] : [1, keep.length]);
    const nodes = [
      beside("Shape", [from], [asked], { start: intOf(axis), end: intOf(axis + 1) }),
      beside("Div", [asked, count], [times]),
      beside("Concat", stretched ? [count, times] : [times, count], [both], { axis: intOf(0) }),
      beside("Expand", [pattern, both], [all]),
      beside("Reshape", [all, number([-1, ...ones], `${name}_mask_line`)], [mask]),
    ];
    return { nodes, mask };
  };
  return {
    initializers,
    fresh: (name) => taken.fresh(name),
    along(node, zeroed) {
      const { name, axis, gone, from, to } = zeroed;
      const { shape, dtype } = traced.types.get(name)!;
      const size = shape[axis]!;
      const ones = shape.slice(axis + 1).map(() => 1);
      const zero = (): string => constant(`zero ${dtype}`, `zero_${dtype}`, () => zeros(dtype as NumericDType, []));
      const open = openLengths().some((there) => there.types.get(name)?.shape[axis] !== size);
      const { nodes, mask } = open
        ? stretch(node, zeroed, ones)
        : { nodes: [], mask: line(name, stayingOf(size, gone), [size, ...ones]) };
      return [...nodes, zeroing(dtype, selects, mask, from, to, zero)];
    },
  };
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
