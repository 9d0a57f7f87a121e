/** Lets nodes that state the sizes of all axes follow the sizes that their input has anyhow. */

import type { Node } from "../graph/graph.ts";
import { int64s, toNumbers, type Shape, type Tensor } from "../graph/tensor.ts";

/** The index of the input of Resize that holds sizes. */
export const sizesInput = 3;
/** The index of the one that holds scales. */
export const scalesInput = 2;

/** What a node looks like at one batch size. */
export interface Seen {
  readonly data: Shape;
  /** The sizes that it states. */
  readonly sizes: Tensor;
}

/**
 * The Resize with the axes named that do not follow the input, and the constant of their sizes under the given name.
 * `undefined` where sizes differ otherwise than with the input, or the aspect ratio of all axes counts.
 *
 * @param seen the same node at several sizes of what is open
 * @param isOpen which sizes that it states may be others at other sizes still
 */
export function followSizes(
  node: Node,
  seen: readonly Seen[],
  isOpen: readonly boolean[],
  name: () => string,
): { readonly node: Node; readonly name: string; readonly sizes: Tensor } | undefined {
  if ((node.attributes["keep_aspect_ratio_policy"]?.value ?? "stretch") !== "stretch") return undefined;
  const rank = seen[0]!.data.length;
  const given = node.attributes["axes"]?.value as readonly number[] | undefined;
  const axes = given ? given.map((axis) => (axis < 0 ? axis + rank : axis)) : seen[0]!.data.map((_, i) => i);
  const stated = seen.map(({ sizes }) => toNumbers(sizes));
  if (stated.some((sizes) => sizes.length !== axes.length)) return undefined;
  const fixed = axes.map((_, i) => !isOpen[i] && stated.every((sizes) => sizes[i] === stated[0]![i]));
  const follows = axes.map((axis, i) => seen.every(({ data }, k) => stated[k]![i] === data[axis]));
  if (axes.length === 0 || axes.some((_, i) => !fixed[i] && !follows[i])) return undefined;
  const named = axes.map((_, i) => i).filter((i) => !follows[i]);
  // No axes would mean all of them.
  const kept = named.length > 0 ? named : fixed.at(-1) ? [axes.length - 1] : [];
  if (kept.length === 0) return undefined;
  const sizes = name();
  return {
    node: {
      ...node,
      inputs: node.inputs.with(sizesInput, sizes),
      attributes: { ...node.attributes, axes: { type: "ints", value: kept.map((i) => axes[i]!) } },
    },
    name: sizes,
    sizes: int64s(kept.map((i) => stated[0]![i]!)),
  };
}
