/** Brings a loaded graph into the form that coupling wants: sizes given are fixed, and arithmetic on sizes is constants. */

import { fail } from "../graph/error.ts";
import type { Graph, Node, ValueInfo } from "../graph/graph.ts";
import { freshName, namesOf } from "../graph/graph.ts";
import { bytesOf, int64s, isFloat, toNumbers, type Shape, type Tensor } from "../graph/tensor.ts";
import { batchAsker } from "./ask-batch.ts";
import { removeDead } from "./dead.ts";
import { followSizes, sizesInput, type Seen } from "./sizes.ts";
import { ownGenerated } from "./own-generated.ts";
import { pickParts } from "./pick-parts.ts";
import { trace, valueOf, type Traced } from "./trace.ts";

export interface NormaliseOptions {
  /** Shapes of inputs by name, where the file leaves more open than the first axis. */
  readonly shapes?: Readonly<Record<string, Shape>>;
}

/** Two batch sizes that tell what depends on the batch from what does not. */
const probes = [2, 3] as const;

/**
 * Fixes the sizes that are given and turns every integer, truth value and single float that follows from fixed sizes into a constant.
 * What depends on an open batch stays as it is, but for the target of a Reshape, which can say it by 0 (copy) or -1 (infer), and the
 * sizes of a Resize, which need not name the axis. Readers of what is generated from sizes, such as the zeros that a recurrence starts
 * with, get their own; a part that is joined and picked out again is read where it comes from.
 *
 * @throws SecateurError where an input leaves more open than its first axis and no shape is given for it, or one that does not fit
 */
export function normalise(graph: Graph, options: NormaliseOptions = {}): Graph {
  const given = options.shapes ?? {};
  refuseUnknown(graph, Object.keys(given));
  const fixed = {
    ...graph,
    inputs: graph.inputs.map((input) => fixInput(input, given[input.name])),
  };
  const [a, b] = probes.map((batch) => trace(fixed, { batch })) as [Traced, Traced];
  const initializers = new Map(fixed.initializers);
  const nodes: Node[] = [];
  const taken = namesOf(fixed);
  const outputs = new Set(fixed.outputs.map((v) => v.name));
  const ask = batchAsker(fixed, a, b, initializers, taken);
  for (const node of fixed.nodes) {
    if (a.refused.has(node)) {
      nodes.push(node);
      continue;
    }
    const known = node.outputs.map((name) =>
      name === "" || outputs.has(name) ? undefined : agreed(a.constants.get(name), b.constants.get(name)),
    );
    if (known.length > 0 && known.every((value) => value !== undefined)) {
      node.outputs.forEach((name, i) => initializers.set(name, known[i]!));
      continue;
    }
    const asked = ask(node);
    if (asked !== undefined) {
      nodes.push(...asked);
      continue;
    }
    const resized = node.op === "Resize" && node.domain === "" ? openResize(node, a, b, taken) : undefined;
    if (resized !== undefined) {
      initializers.set(resized.name, resized.sizes);
      nodes.push(resized.node);
      continue;
    }
    const target = openTarget(node, a, b);
    if (target === undefined) {
      nodes.push(node);
      continue;
    }
    const name = freshName(taken, `${node.inputs[1]}_sizes`);
    initializers.set(name, target);
    nodes.push({ ...node, inputs: [node.inputs[0]!, name] });
  }
  return ownGenerated(removeDead(pickParts({ ...fixed, nodes, initializers }, a, b)), a);
}

function refuseUnknown(graph: Graph, names: readonly string[]): void {
  const inputs = graph.inputs.map(({ name }) => name);
  const unknown = names.filter((name) => !inputs.includes(name));
  if (unknown.length > 0)
    fail(
      "bad-option",
      `a shape is given for ${unknown.map((name) => `"${name}"`).join(", ")}; the model's inputs are ${inputs.map((name) => `"${name}"`).join(", ")}`,
    );
}

/** The first axis stays open; the others take the sizes given. */
function fixInput(input: ValueInfo, given: Shape | undefined): ValueInfo {
  if (given === undefined || input.shape === undefined) return given ? { ...input, shape: given } : input;
  const fits =
    given.length === input.shape.length &&
    input.shape.every((dim, i) => i === 0 || typeof dim === "string" || dim === given[i]);
  if (!fits)
    fail(
      "bad-option",
      `input "${input.name}" is [${input.shape.join(", ")}], which the given [${given.join(", ")}] does not fit`,
    );
  return {
    ...input,
    shape: input.shape.map((dim, i) => (typeof dim === "string" && i > 0 ? (given[i] ?? dim) : dim)),
  };
}

/** What does not depend on the batch. Floats stay computed unless they are scalars: as initializers they would be taken for weights. */
function agreed(x: Tensor | undefined, y: Tensor | undefined): Tensor | undefined {
  if (x === undefined || y === undefined || x.shape.join() !== y.shape.join()) return undefined;
  if (isFloat(x.dtype) && x.shape.length > 0) return undefined;
  return bytesOf(x).every((byte, i) => byte === bytesOf(y)[i]) ? x : undefined;
}

/**
 * The target of a Reshape whose sizes follow from the batch, written by 0 and -1, or of an Expand, written by 1, which leaves a size as it
 * is; `undefined` where that does not do.
 */
function openTarget(node: Node, a: Traced, b: Traced): Tensor | undefined {
  if (node.domain !== "" || (node.op !== "Reshape" && node.op !== "Expand")) return undefined;
  const targets = [a, b].map((traced) => traced.constants.get(node.inputs[1]!));
  const data = [a, b].map((traced) => valueOf(traced, node.inputs[0]!)?.shape);
  if (
    a.graph.initializers.has(node.inputs[1]!) ||
    targets.some((x) => x === undefined) ||
    data.some((x) => x === undefined)
  )
    return undefined;
  if (node.attributes["allowzero"]?.value === 1) return undefined;
  const [x, y] = targets.map((target) => toNumbers(target!)) as [number[], number[]];
  const shift = node.op === "Expand" ? x.length - data[0]!.length : 0;
  const copies = (i: number) => x[i] === data[0]![i - shift] && y[i] === data[1]![i - shift];
  const open = x.flatMap((size, i) => (size === y[i] ? [] : [i]));
  if (node.op === "Expand")
    return open.every(copies) ? int64s(x.map((size, i) => (size === y[i] ? size : 1))) : undefined;
  const inferred = open.filter((i) => !copies(i)).length + x.filter((size, i) => size === -1 && y[i] === -1).length;
  return inferred <= 1 ? int64s(x.map((size, i) => (size === y[i] ? size : copies(i) ? 0 : -1))) : undefined;
}

/** A Resize whose sizes follow from the batch, with those left out that its input has anyhow. */
function openResize(node: Node, a: Traced, b: Traced, taken: Set<string>): ReturnType<typeof followSizes> {
  const stated = node.inputs[sizesInput] ?? "";
  const seen = [a, b].flatMap((traced): Seen[] => {
    const [data, sizes] = [valueOf(traced, node.inputs[0]!)?.shape, traced.constants.get(stated)];
    return data && sizes ? [{ data, sizes }] : [];
  });
  if (a.graph.initializers.has(stated) || seen.length < 2) return undefined;
  return followSizes(node, seen, () => freshName(taken, `${stated}_sizes`));
}
