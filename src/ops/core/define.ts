/** The form of an operator: everything Secateur knows of one ONNX operator is one object of this form. */

import type { Attribute } from "../../graph/graph.ts";
import type { DType, Shape, Tensor } from "../../graph/tensor.ts";
import { toAttribute, type Specs, type Values } from "./attributes.ts";
import type { Channels } from "./channels.ts";
import type { Emit } from "./emit.ts";
import type { Bare, Gradients, Inputs, Remaining, Pullback, Resized, Sample, Training, Value, Zero } from "./facts.ts";

export type { Gradients, Inputs, Remaining, Pullback, Resized, Sample, Training, Value, Zero } from "./facts.ts";
export { float, floats, int, ints, string, strings, tensorAttribute, toAttribute, type Values } from "./attributes.ts";

export interface OpSpec<I extends readonly string[], A extends Specs> {
  /** The ONNX name. */
  readonly name: string;
  /** Whose operator it is; default that of the ONNX standard. */
  readonly domain?: string;
  /** The version of the operator in the internal opset, i.e. the opset it last changed in. */
  readonly since: number;
  readonly inputs: I;
  readonly outputs?: readonly string[];
  readonly attributes?: A;
  /** The shapes of the outputs. A single shape, or a list of shapes for several outputs. */
  readonly shape: (inputs: Inputs<I>, attributes: Values<A>, outputs: number) => Shape | readonly Shape[];
  /** The element type of each output; default: that of the first input for all. */
  readonly dtype?: (inputs: Inputs<I>, attributes: Values<A>) => DType | readonly DType[];
  /**
   * The pullback; `"stop"` says that no gradient flows through on purpose, `"decompose"` that it is that of what
   * `decompose` writes. Absent = refused.
   */
  readonly gradient?:
    | "stop"
    | "decompose"
    | ((g: Emit, dy: Value, inputs: Inputs<I>, attributes: Values<A>, y: Value, pullback: Pullback) => Gradients<I>);
  /** How axes couple. An axis that is not spoken of is frozen; no rule at all freezes all. */
  readonly channels?: (c: Channels, inputs: Inputs<I>, outputs: readonly Value[], attributes: Values<A>) => void;
  readonly zero?: Zero | ((inputs: Inputs<I>, attributes: Values<A>) => Zero | undefined);
  /**
   * Axes of inputs along which zeros keep a removed unit from acting inside the node. Where an operator reads again
   * what it puts out, as a recurrence does, zeroing its outputs is not enough. Default none.
   */
  readonly maskInside?: (inputs: Inputs<I>) => readonly (readonly [value: Value, axis: number])[];
  /** What changes between inference and training; absent = nothing. */
  readonly training?: Training;
  /** The result differs from run to run, so that two equal nodes are not one. */
  readonly random?: boolean;
  /**
   * Positive factors along an axis of the first input that the output has too are the same factors along it in the
   * output, so that by Euler's theorem Σ x ∂E/∂x = Σ y ∂E/∂y for each index of that axis; default not.
   */
  readonly homogeneous?: boolean;
  /**
   * The gradient of a gate on each channel of the first output, by sample: Σ y ∂E/∂y over all axes but the first two,
   * [N, C]. For an operator whose parameters' gradients hold the sums that it follows from, so that it costs next to
   * nothing beside them. Default: the product of the output and its gradient, summed.
   */
  readonly gate?: (g: Emit, dy: Value, inputs: Inputs<I>, attributes: Values<A>) => Value;
  /** The output is the first input's elements in their order, for which the runtime makes no copy; default not. */
  readonly view?: boolean;
  /**
   * The output holds the inputs' elements, in other places, some of them or in another type, so that a weight behind it
   * is still a weight that can be told and cut; default as `view`.
   */
  readonly carries?: boolean;
  /** Between integers and the numbers that they stand for. */
  readonly quantisation?: {
    /** The inputs that say which integer stands for which number. They are chosen for the others, and never learn. */
    readonly by: readonly Bare<I[number]>[];
    /**
     * The numbers that the first input stands for, where all inputs are constants; absent
     * where the operator makes integers.
     */
    readonly numbers?: (inputs: Inputs<I>, attributes: Values<A>) => Tensor | undefined;
  };
  readonly resize?: (
    remaining: Remaining,
    inputs: Inputs<I>,
    outputs: readonly Value[],
    attributes: Values<A>,
  ) => Resized;
  /**
   * What is left of the node where groups that it reads go as a whole, so that inputs which `isZero` tells are zeros or
   * no elements at all, while its output stays: `"rest"` the node over those of its lists of inputs and outputs that
   * have elements; a value that broadcasts to the output; `"zero"`; `undefined` the node as it is, reading zeros.
   * Absent: it cannot do without, and a unit has to stay.
   */
  readonly wholeGroupRemoval?:
    | "rest"
    | ((
        g: Emit,
        inputs: Inputs<I>,
        output: Value,
        attributes: Values<A>,
        isZero: (value: Value) => boolean,
      ) => Value | "zero" | undefined);
  /** Multiply-accumulates of one application; default 0. */
  readonly macs?: (inputs: Inputs<I>, outputs: readonly Value[], attributes: Values<A>) => number;
  /** The output where the needed inputs are constants; for shape arithmetic. `undefined` = not known. */
  readonly fold?: (
    inputs: Inputs<I>,
    attributes: Values<A>,
    outputs: readonly Value[],
  ) => readonly (Tensor | undefined)[] | undefined;
  /**
   * The same by other operators, where this one has no gradient of its own in this mode. With `maskInside`, every
   * activation [N, units] that meets a masked axis goes through `inside`, so that a gate can be put on it.
   */
  readonly decompose?: (
    g: Emit,
    inputs: Inputs<I>,
    attributes: Values<A>,
    outputs: number,
    inside: (activation: Value) => Value,
  ) => readonly Value[] | undefined;
  /** The output by kernels that take channels in blocks of a size; `undefined` where they do not fit or pay. */
  readonly blocked?: (g: Emit, inputs: Inputs<I>, attributes: Values<A>, block: number) => Value | undefined;
  /**
   * The outputs by a runtime's kernels that compute on one thread however many there are: less work, for a session that
   * has no more; `undefined` where they do not fit.
   */
  readonly singleThreaded?: (
    g: Emit,
    inputs: Inputs<I>,
    attributes: Values<A>,
    outputs: number,
  ) => readonly Value[] | undefined;
  /**
   * The outputs by others where the kernel that onnxruntime has on a device other than the CPU is wrong or
   * refuses; `undefined` where it is right.
   */
  readonly deviceFallback?: (
    g: Emit,
    inputs: Inputs<I>,
    attributes: Values<A>,
    device: string,
    outputs: number,
  ) => readonly Value[] | undefined;
  /**
   * The outputs without rounding and in floats, for what goes in and comes out of an operator that makes
   * steps: of two graphs that compute the same, a hair in front of a step becomes a whole step behind
   * it. `undefined` where it makes none.
   */
  readonly unrounded?: (g: Emit, inputs: Inputs<I>, attributes: Values<A>) => readonly Value[] | undefined;
  readonly samples: readonly Sample[];
}

/** Inputs by position, attributes by name. */
type Given = readonly (Value | undefined)[];
type Plain = Record<string, unknown>;

/** An operator as engines see it: its rules over inputs by position. */
export interface Op {
  readonly name: string;
  /** Empty for those of the ONNX standard. */
  readonly domain: string;
  /** The name, behind the domain where it is not the standard's: `com.microsoft.FusedConv`. */
  readonly key: string;
  readonly since: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Specs;
  readonly samples: readonly Sample[];
  readonly gradient?: "stop" | "rule" | "decompose";
  readonly hasChannels: boolean;
  readonly random: boolean;
  readonly homogeneous: boolean;
  readonly view: boolean;
  readonly carries: boolean;
  /** Inputs by position. */
  readonly quantisation?: {
    readonly by: readonly number[];
    readonly numbers?: (inputs: Given, attributes: Plain) => Tensor | undefined;
  };
  readonly training?: Training;
  shape(inputs: Given, attributes: Plain, outputs: number): readonly Shape[];
  dtype(inputs: Given, attributes: Plain, outputs: number): readonly DType[];
  /** Thunks by input position; empty entries where none flows. */
  pullback(g: Emit, inputs: Given, attributes: Plain, pullback: Pullback): readonly ((() => Value) | undefined)[];
  gate?(g: Emit, dy: Value, inputs: Given, attributes: Plain): Value;
  channels(c: Channels, inputs: Given, outputs: readonly Value[], attributes: Plain): void;
  zero(inputs: Given, attributes: Plain): Zero | undefined;
  maskInside(inputs: Given): readonly (readonly [value: Value, axis: number])[];
  resize?(
    remaining: Remaining,
    inputs: Given,
    outputs: readonly Value[],
    attributes: Plain,
  ): { attributes: Record<string, Attribute>; inputs: ReadonlyMap<number, Tensor> };
  readonly wholeGroupRemoval?:
    | "rest"
    | ((
        g: Emit,
        inputs: Given,
        output: Value,
        attributes: Plain,
        isZero: (value: Value) => boolean,
      ) => Value | "zero" | undefined);
  macs(inputs: Given, outputs: readonly Value[], attributes: Plain): number;
  fold?(inputs: Given, attributes: Plain, outputs: readonly Value[]): readonly (Tensor | undefined)[] | undefined;
  decompose?(
    g: Emit,
    inputs: Given,
    attributes: Plain,
    outputs: number,
    inside?: (activation: Value) => Value,
  ): readonly Value[] | undefined;
  blocked?(g: Emit, inputs: Given, attributes: Plain, block: number): Value | undefined;
  singleThreaded?(g: Emit, inputs: Given, attributes: Plain, outputs: number): readonly Value[] | undefined;
  deviceFallback?(
    g: Emit,
    inputs: Given,
    attributes: Plain,
    device: string,
    outputs: number,
  ): readonly Value[] | undefined;
  unrounded?(g: Emit, inputs: Given, attributes: Plain): readonly Value[] | undefined;
}

const bare = (name: string): string => name.replace(/\?$|\.\.\.$/, "");
const isList = (name: string): boolean => name.endsWith("...");

function named(names: readonly string[], values: Given): Plain {
  const result: Plain = {};
  names.forEach((name, i) => {
    result[bare(name)] = isList(name) ? values.slice(i).filter((v) => v !== undefined) : values[i];
  });
  return result;
}

/** Attribute values of a node as plain values, defaults filled in; those unknown to the operator are left out. */
export function plainAttributes(op: Pick<Op, "attributes">, attributes: Readonly<Record<string, Attribute>>): Plain {
  const result: Plain = {};
  for (const [name, spec] of Object.entries(op.attributes)) result[name] = attributes[name]?.value ?? spec.default;
  return result;
}

/**
 * Makes an operator of its specification. The types of inputs and attributes follow from the names
 * given, so that a wrong name in a rule is a compile error.
 */
export function defineOp<const I extends readonly string[], const A extends Specs = Record<never, never>>(
  spec: OpSpec<I, A>,
): Op {
  const attributes: Specs = spec.attributes ?? {};
  const ins = (values: Given) => named(spec.inputs, values) as Inputs<I>;
  const outputs = spec.outputs ?? ["Y"];
  const {
    gradient,
    gate,
    resize,
    wholeGroupRemoval,
    fold,
    decompose,
    blocked,
    singleThreaded,
    deviceFallback,
    unrounded,
    quantisation,
  } = spec;
  const { domain = "" } = spec;
  const op: Op = {
    name: spec.name,
    domain,
    key: domain === "" ? spec.name : `${domain}.${spec.name}`,
    since: spec.since,
    inputs: spec.inputs,
    outputs,
    attributes,
    samples: spec.samples,
    ...(gradient === undefined ? {} : { gradient: typeof gradient === "string" ? gradient : ("rule" as const) }),
    hasChannels: spec.channels !== undefined,
    random: spec.random ?? false,
    homogeneous: spec.homogeneous ?? false,
    view: spec.view ?? false,
    carries: spec.carries ?? spec.view ?? false,
    ...(spec.training && { training: spec.training }),
    shape(values, attrs, count) {
      const shapes = spec.shape(ins(values), attrs as Values<A>, count);
      const list = Array.isArray(shapes[0]) ? (shapes as readonly Shape[]) : [shapes as Shape];
      return list.slice(0, count);
    },
    dtype(values, attrs, count) {
      const dtype =
        spec.dtype?.(ins(values), attrs as Values<A>) ?? values.find((v) => v !== undefined)?.dtype ?? "float32";
      return Array.from({ length: count }, (_, i) => (typeof dtype === "string" ? dtype : dtype[i]!));
    },
    pullback(g, values, attrs, pullback) {
      if (typeof gradient !== "function") return [];
      const first = pullback.dys[0] ?? (undefined as unknown as Value);
      const rules = gradient(g, first, ins(values), attrs as Values<A>, pullback.outputs[0]!, pullback) as Record<
        string,
        (() => Value) | readonly (() => Value)[] | undefined
      >;
      const thunks: ((() => Value) | undefined)[] = [];
      for (const name of spec.inputs) {
        const rule = rules[bare(name)];
        if (isList(name)) thunks.push(...((rule as readonly (() => Value)[] | undefined) ?? []));
        else thunks.push(rule as (() => Value) | undefined);
      }
      return thunks;
    },
    channels(c, values, outs, attrs) {
      spec.channels?.(c, ins(values), outs, attrs as Values<A>);
    },
    zero: (values, attrs) => (typeof spec.zero === "function" ? spec.zero(ins(values), attrs as Values<A>) : spec.zero),
    maskInside: (values) => spec.maskInside?.(ins(values)) ?? [],
    macs: (values, outs, attrs) => spec.macs?.(ins(values), outs, attrs as Values<A>) ?? 0,
  };
  return {
    ...op,
    ...(gate && {
      gate: (g: Emit, dy: Value, values: Given, attrs: Plain) => gate(g, dy, ins(values), attrs as Values<A>),
    }),
    ...(resize && {
      resize(remaining: Remaining, values: Given, outs: readonly Value[], attrs: Plain) {
        const change = resize(remaining, ins(values), outs, attrs as Values<A>);
        const changed: Record<string, Attribute> = {};
        for (const [name, value] of Object.entries(change.attributes ?? {}))
          changed[name] = toAttribute(attributes[name]!.kind, value);
        const inputs = new Map<number, Tensor>();
        spec.inputs.forEach((name, i) => {
          const value = change.inputs?.[bare(name)];
          if (value !== undefined) inputs.set(i, value);
        });
        return { attributes: changed, inputs };
      },
    }),
    ...(quantisation && {
      quantisation: {
        by: quantisation.by.map((name) => spec.inputs.map(bare).indexOf(name)),
        ...(quantisation.numbers && {
          numbers: (values: Given, attrs: Plain) => quantisation.numbers!(ins(values), attrs as Values<A>),
        }),
      },
    }),
    ...(wholeGroupRemoval && {
      wholeGroupRemoval:
        typeof wholeGroupRemoval === "string"
          ? wholeGroupRemoval
          : (g, values, output, attrs, isZero) => wholeGroupRemoval(g, ins(values), output, attrs as Values<A>, isZero),
    }),
    ...(fold && {
      fold: (values: Given, attrs: Plain, outs: readonly Value[]) => fold(ins(values), attrs as Values<A>, outs),
    }),
    ...(decompose && {
      decompose: (
        g: Emit,
        values: Given,
        attrs: Plain,
        count: number,
        inside: (activation: Value) => Value = (activation) => activation,
      ) => decompose(g, ins(values), attrs as Values<A>, count, inside),
    }),
    ...(blocked && {
      blocked: (g: Emit, values: Given, attrs: Plain, block: number) =>
        blocked(g, ins(values), attrs as Values<A>, block),
    }),
    ...(singleThreaded && {
      singleThreaded: (g: Emit, values: Given, attrs: Plain, count: number) =>
        singleThreaded(g, ins(values), attrs as Values<A>, count),
    }),
    ...(deviceFallback && {
      deviceFallback: (g: Emit, values: Given, attrs: Plain, device: string, count: number) =>
        deviceFallback(g, ins(values), attrs as Values<A>, device, count),
    }),
    ...(unrounded && {
      unrounded: (g: Emit, values: Given, attrs: Plain) => unrounded(g, ins(values), attrs as Values<A>),
    }),
  };
}
