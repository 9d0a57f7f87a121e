/** Which units can stay in a graph that computes what it does without them, by nothing but weights that are zero. */

import { applicationOf } from "../../passes/trace.ts";
import type { Analysis } from "../coupling/analysis.ts";
import { removedIndices, type Removal } from "../coupling/groups.ts";

/**
 * Whether zeros in all weights of some units are as good as their removal: no node counts them, and wherever a unit ends, read by a node that does not pass it on, a weight that is zero meets it, as in a
 * product. A unit need not be zero itself; its weights stay zero while others learn only if it is.
 *
 * @param learned the initializers that can be set to zero
 */
export function canMaskByWeights(analysis: Analysis, removal: Removal, learned: ReadonlySet<string>): boolean {
  const { graph, readers, links } = analysis;
  const isZeroed = zeroedBy(analysis);
  return analysis.groups.every(({ name, counting }) => {
    const units = removal.get(name) ?? [];
    if (units.length === 0) return true;
    if (counting.length > 0) return false;
    const removed = removedIndices(analysis, new Map([[name, units]]));
    const met = (inputs: readonly string[]): boolean => inputs.some((input) => removed.has(input) && isZeroed(input));
    return [...removed].every(([value, axes]) => {
      if (graph.initializers.has(value) && !learned.has(value)) return false;
      return (readers.get(value) ?? []).every((node) => {
        const link = links.get(node);
        if (link === undefined) return false;
        const passes = (axis: number): boolean =>
          node.outputs.some((output) =>
            [...(removed.get(output)?.keys() ?? [])].some((to) =>
              link.passes({ value, axis }, { value: output, axis: to }),
            ),
          );
        return met(node.inputs) || [...axes.keys()].every(passes);
      });
    });
  });
}

/** Tells which values are zero along a unit where all its weights are: weights, and what is computed of a weight alone and keeps zeros. */
function zeroedBy({ graph, traced, activations, producers }: Analysis): (name: string) => boolean {
  return function isZeroed(name: string): boolean {
    if (graph.initializers.has(name)) return true;
    const made = producers.get(name);
    const applied = made && !activations.has(name) ? applicationOf(traced, made) : undefined;
    return applied?.op.zero?.(applied.inputs, applied.attributes) === "any" && isZeroed(made!.inputs[0]!);
  };
}
