/**
 * Activations that are known ahead where groups go as a whole: zeros, and constants for every sample and place alike.
 */

import type { GraphBuilder } from "../../graph/builder.ts";
import { tensor, zeros, type NumericDType, type Shape, type Tensor } from "../../graph/tensor.ts";
import { plainAttributes, type Value } from "../../ops/core/define.ts";
import { findOp } from "../../ops/table.ts";
import { valueOf, type Traced } from "../../passes/trace.ts";
import { isShort, narrowTensor, widenTensor } from "../../passes/widen.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { tracesOf } from "../coupling/other-settings.ts";

export class KnownValues {
  /** The graph at several sizes, that of the analysis first: what holds in all of them holds for all. */
  readonly traces: readonly [Traced, Traced, ...Traced[]];
  /** Values that are zero everywhere, those without elements among them. */
  readonly zero: Set<string>;
  /** Activations that are constant, in float32: an axis of size 1 stands for all indices where the value has more. */
  readonly #flat = new Map<string, Tensor>();
  readonly #traced: Traced;

  constructor({ traced, others }: Analysis, gone: ReadonlySet<string>) {
    const [other = traced, ...more] = tracesOf(others);
    this.#traced = traced;
    this.traces = [traced, other, ...more];
    this.zero = new Set(gone);
  }

  has(name: string): boolean {
    return this.zero.has(name) || this.#flat.has(name);
  }

  /** Notes what a value is; whether it can be so, whatever its sizes are. */
  set(name: string, { dtype, shape, data }: Tensor): boolean {
    const rank = this.#traced.types.get(name)!.shape.length;
    const full = [...Array.from({ length: rank - shape.length }, () => 1), ...shape];
    const fits = full.every(
      (dim, i) => dim === 1 || this.traces.every(({ types }) => types.get(name)!.shape[i] === dim),
    );
    if (fits) this.#flat.set(name, { dtype, shape: full, data });
    return fits;
  }

  /** A value as rules are to see it: constants as they are, in float32. */
  value(name: string): Value | undefined {
    const flat = this.#flat.get(name);
    if (flat) return { name, dtype: flat.dtype, shape: flat.shape, constant: flat };
    const value = valueOf(this.#traced, name);
    if (value === undefined) return undefined;
    const { constant } = value;
    const dtype = isShort(value.dtype) ? "float32" : value.dtype;
    return {
      name,
      dtype,
      shape: value.shape,
      ...(constant && {
        get constant() {
          return widenTensor(constant);
        },
      }),
    };
  }

  /** The same, with a zero for what is zero. */
  valueOrZero(name: string): Value | undefined {
    if (!this.zero.has(name)) return this.value(name);
    const { dtype, shape } = this.#traced.types.get(name)!;
    const one = shape.map(() => 1);
    const constant = tensor(isShort(dtype) ? "float32" : (dtype as NumericDType), one, [0]);
    return { name, dtype: constant.dtype, shape: one, constant };
  }

  /** The shape of the constant that stands for a value. */
  shapeOf(name: string): Shape {
    return withoutLeading(this.#flat.get(name)?.shape ?? []);
  }

  /** The constant that stands for a value, in the type of the file. */
  constant(name: string): Tensor {
    const { dtype } = this.#traced.types.get(name)!;
    const flat = this.#flat.get(name);
    // A number without axes does not learn, as what it stands for did not.
    if (flat === undefined) return zeros(dtype as NumericDType, []);
    const value = { ...flat, shape: this.shapeOf(name) };
    return isShort(dtype) ? narrowTensor(value, dtype) : value;
  }

  /** The axes along which a known value has one index that stands for several. */
  uniformAxes(name: string): number[] {
    const flat = this.#flat.get(name);
    const isUniform = (axis: number): boolean =>
      (flat === undefined || flat.shape[axis] === 1) &&
      this.traces.some(({ types }) => types.get(name)!.shape[axis] !== 1);
    return this.#traced.types.get(name)!.shape.flatMap((_, axis) => (isUniform(axis) ? [axis] : []));
  }

  /** The elements of what a rule has emitted, where they follow from what is known; its nodes leave the builder. */
  evaluate(result: Value, { nodes, types, initializers }: GraphBuilder): Tensor | undefined {
    const found = new Map<string, Tensor>();
    const valueAt = (name: string): Value | undefined => {
      const own = this.value(name);
      const type = types.get(name);
      const constant = found.get(name) ?? own?.constant ?? initializers.get(name);
      return own ?? (type && { name, ...type, ...(constant && { constant }) });
    };
    for (const node of nodes.splice(0)) {
      const op = findOp(node.op)!;
      const outputs = node.outputs.map((name) => ({ name, ...types.get(name)! }));
      const values = op.fold?.(node.inputs.map(valueAt), plainAttributes(op, node.attributes), outputs);
      node.outputs.forEach((name, i) => values?.[i] && found.set(name, values[i]));
    }
    return found.get(result.name) ?? valueAt(result.name)?.constant;
  }
}

/** A shape without the axes of size 1 that it begins with: they would be taken for the batch. */
function withoutLeading(shape: Shape): Shape {
  const first = shape.findIndex((dim) => dim !== 1);
  return shape.slice(first < 0 ? Math.max(0, shape.length - 1) : first);
}
