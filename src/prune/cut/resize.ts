/** Nodes that hold sizes, such as the target of a Reshape, after a removal. */

import type { Attribute, Graph, Node } from "../../graph/graph.ts";
import { namesOf } from "../../graph/names.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { beside } from "../../onnx/upgrade-step.ts";
import type { Remaining, Op } from "../../ops/core/define.ts";
import { applicationOf, type Traced } from "../../passes/trace.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { restated, stepsTo, type SizesAt } from "./computed-sizes.ts";
import type { OtherSizes } from "./other-sizes.ts";
import { remainingOf, type RemainingIndices } from "./remaining.ts";
import type { Removed } from "./whole-group.ts";

interface Resizing {
  readonly graph: Graph;
  readonly analysis: Analysis;
  readonly removed: Removed;
  /** What stays of the axes of that removal. */
  readonly indices: RemainingIndices;
  readonly elsewhere: OtherSizes;
  /** Gets the new sizes. */
  readonly initializers: Map<string, Tensor>;
}

/** What stands in the place of a node that a removal touches: nodes that compute its sizes, and the node itself. */
export function createResize(given: Resizing): (node: Node) => Node[] {
  const { graph, analysis, indices, initializers } = given;
  const { traced, readers } = analysis;
  const taken = namesOf(graph);
  return (node) => {
    const before: Node[] = [];
    const resized = resizeNode(traced, node, indices, (name, sizes, at) => {
      const isReadOnce = readers.get(name)?.length === 1 && node.inputs.filter((input) => input === name).length === 1;
      const target = isReadOnce && graph.initializers.has(name) ? name : taken.fresh(`${name}_resized`);
      const computed = graph.initializers.has(name) ? undefined : traced.constants.get(name);
      if (computed === undefined) {
        initializers.set(target, sizes);
        return target;
      }
      const fresh = (base: string): string => taken.fresh(base);
      const made = computedSizes(given, { node, name, at, computed, sizes, target }, fresh);
      before.push(...made.nodes);
      return made.name;
    });
    return [...before, resized];
  };
}

/** Sizes that a graph computes, and what they are to be. */
interface Computed {
  readonly node: Node;
  /** The value, and the input of the node that reads it. */
  readonly name: string;
  readonly at: number;
  readonly computed: Tensor;
  readonly sizes: Tensor;
  readonly target: string;
}

/** Nodes that compute the new sizes: these follow what is open, so that only what is removed is taken off. */
function computedSizes(
  { analysis, elsewhere, initializers }: Resizing,
  { node, name, at, computed, sizes, target }: Computed,
  fresh: (base: string) => string,
): { readonly nodes: readonly Node[]; readonly name: string } {
  const { traced, producers } = analysis;
  const others = elsewhere().flatMap((one): SizesAt[] => {
    const { traced: there } = one.analysis;
    const now = resizedInput(there, node, remainingOf(one.analysis, one.removed, analysis), at);
    const old = there.constants.get(name);
    return old && now ? [{ before: old, after: now }] : [];
  });
  const seen = [{ before: computed, after: sizes }, ...others];
  const parts = restated(traced, producers.get(name), seen);
  if (parts !== undefined) {
    const inputs = parts.map((part) => {
      if (typeof part === "string") return part;
      const own = fresh(`${target}_part`);
      initializers.set(own, part);
      return own;
    });
    return { nodes: [{ ...producers.get(name)!, name: "", inputs, outputs: [target] }], name: target };
  }
  const steps = stepsTo(node, seen);
  const nodes: Node[] = [];
  const last = steps.reduce((from, { op, by }, i) => {
    const [number, to] = [fresh(`${name}_removed`), i < steps.length - 1 ? fresh(target) : target];
    initializers.set(number, by);
    nodes.push(beside(op, [from, number], [to]));
    return to;
  }, name);
  return { nodes, name: last };
}

/** What an operator says of the sizes that a node holds; `undefined` where it holds none. */
function resizing(traced: Traced, node: Node, remaining: Remaining): ReturnType<NonNullable<Op["resize"]>> | undefined {
  const applied = applicationOf(traced, node);
  return applied?.op.resize?.(remaining, applied.inputs, applied.outputs, applied.attributes);
}

const resizedInput = (traced: Traced, node: Node, remaining: Remaining, at: number): Tensor | undefined =>
  resizing(traced, node, remaining)?.inputs.get(at);

/** A node whose attributes or constant inputs hold sizes, with the new ones. */
function resizeNode(
  traced: Traced,
  node: Node,
  remaining: Remaining,
  store: (name: string, sizes: Tensor, at: number) => string,
): Node {
  const change = resizing(traced, node, remaining);
  if (change === undefined) return node;
  const attributes: Record<string, Attribute> = { ...node.attributes };
  for (const [name, attribute] of Object.entries(change.attributes)) {
    if (attribute.value === undefined) delete attributes[name];
    else attributes[name] = attribute;
  }
  const inputs = [...node.inputs];
  for (const [at, sizes] of change.inputs) {
    while (inputs.length <= at) inputs.push("");
    inputs[at] = store(inputs[at] === "" ? `${node.outputs[0]}_sizes` : inputs[at]!, sizes, at);
  }
  return { ...node, attributes, inputs };
}
