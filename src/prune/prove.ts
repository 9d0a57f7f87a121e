/** The proof of a cut: that what is left computes what the whole computes with the same units at zero. */

import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { fail } from "../graph/error.ts";
import { describe, type Graph, type Model, type Node, type ValueInfo } from "../graph/graph.ts";
import { randomStream } from "../graph/random.ts";
import { isFloat, sizeOf, tensor, toNumbers, type NumericDType, type Tensor } from "../graph/tensor.ts";
import { encodeForRuntime } from "../onnx/encode.ts";
import { removeDead } from "../passes/dead.ts";
import { forDevice } from "../passes/for-device.ts";
import type { Traced } from "../passes/trace.ts";
import { narrowTensor, widenTensor } from "../passes/widen.ts";
import type { LoadOptions, Runtime, Tensors } from "../runtime/port.ts";
import { activations } from "./couple.ts";
import { cut, mask, type Cut } from "./cut.ts";
import type { Groups, Removal } from "./groups.ts";

export interface ProofOptions extends LoadOptions {
  /** Of the inputs that are drawn; default 0. */
  readonly seed?: number;
  /** The largest difference allowed, as a share of the largest magnitude of what is compared. */
  readonly tolerance?: number;
}

/** The first value in which a cut and its mask are not the same. */
export interface Mismatch {
  readonly node: string;
  readonly value: string;
  readonly difference: number;
}

export interface Proof {
  /** The largest difference of any value compared, as a share of that value's largest magnitude. */
  readonly difference: number;
  readonly tolerance: number;
  /**
   * Nodes at which removing is not zeroing: what they compute of a smaller input is another thing by nature. Each is given the values of
   * the masked model, so that the law is shown for every stretch between them; empty where it holds for the model as a whole.
   */
  readonly between: readonly string[];
  /** Elements that were compared, and those among them that are not finite, which shows nothing. */
  readonly elements: number;
  readonly notFinite: number;
  readonly mismatch?: Mismatch;
}

/** Sums of a few thousand terms in another order; float16 keeps 11 bits. */
const tolerances = { float32: 1e-4, float16: 2e-2 };

/**
 * Runs the masked and the cut model on fresh random inputs and compares what they compute.
 *
 * @param model its graph is the one that was traced for `groups`; it runs at the batch of that trace
 * @returns a proof; it holds where it has no `mismatch`
 * @throws SecateurError `bad-model` where the cut model does not load or run
 */
export async function prove(
  runtime: Runtime,
  model: Model,
  groups: Groups,
  removal: Removal,
  options: ProofOptions = {},
): Promise<Proof> {
  const { graph } = model;
  const { traced } = groups.coupling;
  const small = cut(graph, groups, removal);
  const zeroed = mask(graph, groups, removal);
  const feeds = drawInputs(traced, options.seed ?? 0);
  const broken = brokenNodes(groups, removal);
  const half = [...graph.initializers.values()].some(({ dtype }) => dtype === "float16");
  const tolerance = options.tolerance ?? tolerances[half ? "float16" : "float32"];
  const run = async (one: Graph, given: Tensors): Promise<Record<string, Tensor>> => {
    const fitting = forDevice(one, options.device, traced.types);
    const session = await runtime.load(encodeForRuntime({ ...model, graph: fitting }), options);
    try {
      return await session.run(given);
    } finally {
      await session.dispose();
    }
  };
  // The model that is to be written must run as a whole, whatever is compared below.
  if (broken.length > 0) await run(small.graph, feeds);

  const stretches = splitAt(small, traced, broken);
  const compare = async (watched: readonly string[]) => {
    const whole = await run(watching(zeroed, traced, [...watched, ...stretches.inputs]), feeds);
    const given = Object.fromEntries(stretches.inputs.map((name) => [name, small.shrink(name, whole[name]!)]));
    const part = await run(watching(stretches.graph, traced, watched), { ...feeds, ...given });
    return watched.map((name) => ({ name, ...differ(small.shrink(name, whole[name]!), part[name]!) }));
  };
  const compared = await compare(stretches.outputs);
  const difference = Math.max(0, ...compared.map((one) => one.difference));
  const proof = {
    difference,
    tolerance,
    between: broken.map(describe),
    elements: compared.reduce((n, one) => n + one.elements, 0),
    notFinite: compared.reduce((n, one) => n + one.notFinite, 0),
  };
  if (difference <= tolerance) return proof;
  const computed = stretches.graph.nodes.flatMap(({ outputs }) => outputs.filter((name) => isRunnable(traced, name)));
  const first = (await compare(computed)).find((one) => one.difference > tolerance);
  const name = first?.name ?? compared.find((one) => one.difference > tolerance)!.name;
  const node = graph.nodes.find(({ outputs }) => outputs.includes(name));
  return {
    ...proof,
    mismatch: {
      node: node ? describe(node) : "an input of the model",
      value: name,
      difference: first?.difference ?? difference,
    },
  };
}

/** @throws SecateurError `internal` where the proof does not hold, with the node at which it fails */
export function assertProved({ mismatch, tolerance }: Proof): void {
  if (mismatch)
    fail(
      "internal",
      `the cut model does not compute what the masked one does: they differ first at ${mismatch.node} ("${mismatch.value}") by ` +
        `${mismatch.difference.toPrecision(3)} of its range, more than ${tolerance}; nothing was written. ` +
        `Please report the model, or leave this node's group out of the plan`,
    );
}

const isRunnable = ({ types }: Traced, name: string): boolean => {
  const type = types.get(name);
  return type !== undefined && type.dtype !== "string" && isFloat(type.dtype);
};

/** Nodes that lose something along what their rule says counts zeros. */
function brokenNodes({ groups }: Groups, removal: Removal): Node[] {
  return [...new Set(groups.flatMap(({ name, counting }) => ((removal.get(name)?.length ?? 0) > 0 ? counting : [])))];
}

/** The cut graph without some nodes, whose outputs become inputs and whose inputs are outputs. */
function splitAt(small: Cut, traced: Traced, broken: readonly Node[]) {
  const alive = activations(traced);
  const gone = new Set(broken.map(({ outputs }) => outputs[0]!));
  const inputs = broken.flatMap(({ outputs }) => outputs.filter((name) => isRunnable(traced, name)));
  const outputs = [
    ...new Set([
      ...small.graph.outputs.map(({ name }) => name),
      ...broken.flatMap((node) => node.inputs.filter((name) => alive.has(name) && isRunnable(traced, name))),
    ]),
  ];
  const nodes = small.graph.nodes.filter((node) => !gone.has(node.outputs[0]!));
  const graph: Graph = {
    ...small.graph,
    nodes,
    inputs: [...small.graph.inputs, ...inputs.map((name) => infoOf(traced, name))],
  };
  const given = new Set(inputs);
  return { graph, inputs, outputs: outputs.filter((name) => !given.has(name) && alive.has(name)) };
}

/** The type of a value without its sizes, which are another's in every graph. */
const infoOf = (traced: Traced, name: string): ValueInfo => ({ name, dtype: traced.types.get(name)!.dtype });

/** The graph with certain values as its outputs; inputs that nothing needs any more stay. */
function watching(graph: Graph, traced: Traced, names: readonly string[]): Graph {
  const declared = new Map(graph.outputs.map((info) => [info.name, info]));
  const outputs = [...new Set(names)].map((name) => declared.get(name) ?? infoOf(traced, name));
  return removeDead({ ...graph, outputs, info: new Map() });
}

/** A tensor for each input of a model: numbers from -1.5 to 1.5, and zeros and ones where they are whole or truth values. */
export function drawInputs(traced: Traced, seed: number): Record<string, Tensor> {
  return Object.fromEntries(
    traced.graph.inputs.map(({ name }, i) => {
      const { dtype, shape } = traced.types.get(name)!;
      if (dtype === "string") fail("unsupported", `no values can be drawn for the input "${name}" of strings`);
      const stream = randomStream(seed, i);
      const draw = (): number => uniformFloat64(stream);
      const values = Array.from({ length: sizeOf(shape) }, () =>
        isFloat(dtype) ? draw() * 3 - 1.5 : Math.round(draw()),
      );
      if (dtype === "float16") return [name, narrowTensor(tensor("float32", shape, values))];
      return [name, tensor(dtype as NumericDType, shape, values)];
    }),
  );
}

/** How far two tensors of one shape are apart. */
export interface Difference {
  readonly largest: number;
  /** The largest as a share of the largest magnitude of the first. */
  readonly difference: number;
  readonly elements: number;
  /** Elements that are the same and not finite, which shows nothing. */
  readonly notFinite: number;
}

/** Tensors of different shapes are infinitely far apart. */
export function differ(a: Tensor, b: Tensor): Difference {
  const [x, y] = [a, b].map((one) => toNumbers(widenTensor(one))) as [number[], number[]];
  const apart = Number.POSITIVE_INFINITY;
  const sameShape = a.shape.length === b.shape.length && a.shape.every((dim, i) => dim === b.shape[i]);
  if (!sameShape) return { largest: apart, difference: apart, elements: x.length, notFinite: 0 };
  let [range, largest, notFinite] = [0, 0, 0];
  x.forEach((value, i) => {
    if (Number.isFinite(value)) {
      range = Math.max(range, Math.abs(value));
      const difference = Math.abs(value - y[i]!);
      // Not a number is farther than any.
      largest = difference <= largest ? largest : Number.isNaN(difference) ? apart : difference;
    } else if (Object.is(value, y[i])) notFinite++;
    else largest = apart;
  });
  const difference = largest === 0 ? 0 : largest / Math.max(range, 1e-30);
  return { largest, difference, elements: x.length, notFinite };
}
