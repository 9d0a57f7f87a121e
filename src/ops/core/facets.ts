/** What an operator says of itself. Each facet stands once; rules get inputs by name, engines ask by position. */

import type { Attribute } from "../../graph/graph.ts";
import type { DType, Shape, Tensor } from "../../graph/tensor.ts";
import type { Specs, Values } from "./attributes.ts";
import type { Channels } from "./channels.ts";
import type { Emit } from "./emit.ts";
import type { Bare, Gradients, Inputs, Pullback, Remaining, Resized, Sample, Training, Value, Zero } from "./facts.ts";

/** What a facet reads and gives, in the form of the side that it is seen from. */
interface Form {
  readonly inputs: unknown;
  readonly attributes: unknown;
  readonly shapes: unknown;
  readonly dtypes: unknown;
  readonly gradients: unknown;
  readonly resized: unknown;
  readonly names: unknown;
  readonly zero: unknown;
}

/** How a rule is written: by the names of inputs and attributes, a list of one output as that one. */
export interface ByName<I extends readonly string[], A extends Specs> {
  readonly inputs: Inputs<I>;
  readonly attributes: Values<A>;
  readonly shapes: Shape | readonly Shape[];
  readonly dtypes: DType | readonly DType[];
  readonly gradients: Gradients<I>;
  readonly resized: Resized;
  readonly names: readonly Bare<I[number]>[];
  readonly zero: Zero;
}

/** How an engine asks: inputs by position, lists for all outputs. */
export interface ByPosition {
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly shapes: readonly Shape[];
  readonly dtypes: readonly DType[];
  /** Thunks by input; empty where no gradient flows. */
  readonly gradients: readonly ((() => Value) | undefined)[];
  readonly resized: {
    readonly attributes: Readonly<Record<string, Attribute>>;
    readonly inputs: ReadonlyMap<number, Tensor>;
  };
  readonly names: readonly number[];
  readonly zero: never;
}

/** What is so of an operator whatever it reads. */
export interface Facts {
  /** The ONNX name. */
  readonly name: string;
  /** Whose operator it is; nothing for those of the ONNX standard. */
  readonly domain?: string;
  /** The opset in which it last changed, up to the internal one. */
  readonly since: number;
  /** The names of the outputs; default `["Y"]`. */
  readonly outputs?: readonly string[];
  /** How a node is made to learn: attributes, constants, kept statistics, draws from outside. Default: as it is. */
  readonly training?: Training;
  /** The result differs from run to run: two equal nodes are not merged. */
  readonly random?: boolean;
  /**
   * A positive factor on a unit's input is the same factor on its output. By Euler's theorem Σ x ∂E/∂x = Σ y ∂E/∂y for
   * each unit, so that a gate passes on behind the operator: its gradient is the same, and is had earlier on the way
   * back.
   */
  readonly homogeneous?: boolean;
  /**
   * The output is the first input's memory: the runtime makes no copy. `passes/timeline.ts` follows from it when values
   * are there while onnxruntime runs a graph.
   */
  readonly view?: boolean;
  /**
   * The output holds the inputs' elements, in other places, some of them, or in another type. What such operators make
   * of a weight is a weight too, that can be told and cut. Default: as `view`.
   */
  readonly carries?: boolean;
  /** The cases that the laws are tried on: shape, gradient, cut and mask, each against onnxruntime. */
  readonly samples: readonly Sample[];
}

/** The rules of an operator. */
export interface Rules<F extends Form> {
  /** The shapes of the outputs. `trace` applies it to every node, and refuses by it what a node cannot mean. */
  readonly shape: (inputs: F["inputs"], attributes: F["attributes"], outputs: number) => F["shapes"];
  /** The element types of the outputs; default: that of the first input for all. */
  readonly dtype?: (inputs: F["inputs"], attributes: F["attributes"], outputs: number) => F["dtypes"];
  /**
   * The pullback, keyed by input. It writes standard operators only; the engine sums contributions and undoes
   * broadcasts. `"stop"`: no gradient flows, on purpose. `"decompose"`: the pullback of what `decompose` writes.
   * Default: refused, with an error that names the node.
   */
  readonly gradient?:
    | "stop"
    | "decompose"
    | ((
        g: Emit,
        dy: Value,
        inputs: F["inputs"],
        attributes: F["attributes"],
        y: Value,
        pullback: Pullback,
      ) => F["gradients"]);
  /**
   * Which axes go together, index by index. From it `couple` finds the units. An axis that no rule speaks of is
   * frozen. Where one axis is written as several, such as a width as heads × places, `either`
   * offers its digits, and units lie along one of them. `inexact` marks axes along which removing is not zeroing.
   */
  readonly channels?: (
    c: Channels,
    inputs: F["inputs"],
    outputs: readonly Value[],
    attributes: F["attributes"],
  ) => void;
  /**
   * When an output is zero along a unit because inputs are. From it follow the gates: the fewest activations that must
   * be multiplied by z for every reader to see zeros when z is 0. Default: never.
   */
  readonly zero?: F["zero"] | ((inputs: F["inputs"], attributes: F["attributes"]) => Zero | undefined);
  /**
   * Axes of inputs along which zeros keep a removed unit from acting inside the node. A recurrence reads again what it
   * puts out, so that zeros on its outputs are not enough: `mask` zeroes the unit's columns of R too, and its gate's
   * gradient counts what goes that way. Default: none.
   */
  readonly maskInside?: (inputs: F["inputs"]) => readonly (readonly [value: Value, axis: number])[];
  /**
   * The gradient of a gate on each channel of the first output, by sample: Σ y ∂E/∂y over all axes but the first two,
   * [N, C]. For operators whose parameters' gradients hold the sums that it follows from. Gates stay behind them where
   * all parameters learn, and cost next to nothing. Default: the product of output and gradient, summed.
   */
  readonly gate?: (g: Emit, dy: Value, inputs: F["inputs"], attributes: F["attributes"]) => Value;
  /** The inputs that say which integer stands for which number. They are chosen for the others, and never learn. */
  readonly quantisedBy?: F["names"];
  /** The numbers that the integers of the first input stand for; `undefined` where an input is no constant. */
  readonly dequantised?: (inputs: F["inputs"], attributes: F["attributes"]) => Tensor | undefined;
  /**
   * What holds sizes after a cut: the target of Reshape, the sizes of Split, the `group` of a depthwise Conv. Weights
   * need no rule, as every tensor is cut along the axes of its removed units.
   */
  readonly resize?: (
    remaining: Remaining,
    inputs: F["inputs"],
    outputs: readonly Value[],
    attributes: F["attributes"],
  ) => F["resized"];
  /**
   * What is left of the node where whole groups that it reads are removed and its output stays. `isZero` tells the
   * inputs that are zero or have no elements. A value takes the output's place and broadcasts to it. `"rest"`: the node
   * over those of its lists of inputs and outputs that have elements. `"zero"`: zeros. `undefined`: the node, reading
   * zeros. Default: a unit has to stay.
   */
  readonly wholeGroupRemoval?:
    | "rest"
    | ((
        g: Emit,
        inputs: F["inputs"],
        output: Value,
        attributes: F["attributes"],
        isZero: (value: Value) => boolean,
      ) => Value | "zero" | undefined);
  /** Multiply-accumulates of one application; default 0. */
  readonly macs?: (inputs: F["inputs"], outputs: readonly Value[], attributes: F["attributes"]) => number;
  /**
   * The outputs where the inputs that they need are constants, for arithmetic on shapes. `undefined`, for one output or
   * for all, where they are not known, or not the same on every machine.
   */
  readonly fold?: (
    inputs: F["inputs"],
    attributes: F["attributes"],
    outputs: readonly Value[],
  ) => readonly (Tensor | undefined)[] | undefined;
  /**
   * The outputs by other operators; `undefined` where the node keeps its own form. Recurrent layers are unrolled so.
   * The forward node is lowered the same way at the end, and merging makes the two one. With `maskInside`, every
   * activation [N, units] that meets a masked axis goes through `inside`, so that a gate can be put on it.
   */
  readonly decompose?: (
    g: Emit,
    inputs: F["inputs"],
    attributes: F["attributes"],
    outputs: number,
    inside?: (activation: Value) => Value,
  ) => readonly Value[] | undefined;
  /**
   * The output by kernels that take channels in blocks of a size, in graphs that only this runtime will run.
   * `undefined` where they do not fit or do not pay.
   */
  readonly blocked?: (g: Emit, inputs: F["inputs"], attributes: F["attributes"], block: number) => Value | undefined;
  /**
   * The outputs by kernels that compute on one thread in fewer passes, for a session that has one; `undefined` where
   * they do not fit. `execute/capabilities.ts` finds by trying whether the runtime has them.
   */
  readonly singleThreaded?: (
    g: Emit,
    inputs: F["inputs"],
    attributes: F["attributes"],
    outputs: number,
  ) => readonly Value[] | undefined;
  /**
   * The outputs by other operators where onnxruntime's kernel on a device other than the CPU is wrong or missing;
   * `undefined` where it is right. `passes/for-device.ts` does so in every graph that goes to a device.
   */
  readonly deviceFallback?: (
    g: Emit,
    inputs: F["inputs"],
    attributes: F["attributes"],
    device: string,
    outputs: number,
  ) => readonly Value[] | undefined;
  /**
   * The outputs in floats and without rounding, for a proof: of two graphs that compute the same, a hair in front of a
   * step becomes a whole step behind it. `undefined` where there is none.
   */
  readonly unrounded?: (g: Emit, inputs: F["inputs"], attributes: F["attributes"]) => readonly Value[] | undefined;
}
