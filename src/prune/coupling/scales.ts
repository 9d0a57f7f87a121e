/** The scales and shifts by which normalisations that keep statistics put units out. */

import { isFloat } from "../../graph/tensor.ts";
import { applicationOf } from "../../passes/trace.ts";
import type { Analysis } from "./analysis.ts";
import type { Group } from "./groups.ts";
import type { AxisReference } from "./axis-references.ts";

/** A normalisation of a unit: what it puts out, and the axes of its scale γ and its shift β that the units lie on. */
export interface Scale {
  readonly output: string;
  readonly scale: AxisReference;
  readonly shift: AxisReference;
}

/**
 * For each group the normalisations that its units pass through, where they keep statistics
 * and their parameters are initializers.
 */
export function scalesOf(analysis: Analysis): (group: Group) => readonly Scale[] {
  const { traced } = analysis;
  const found = traced.graph.nodes.flatMap((node) => {
    const applied = applicationOf(traced, node);
    const affine = applied?.op.training?.affine;
    if (affine === undefined) return [];
    const [scale, shift] = [node.inputs[affine.scale]!, node.inputs[affine.shift]!];
    const learned = (name: string): boolean => isFloat(traced.graph.initializers.get(name)?.dtype ?? "string");
    return learned(scale) && learned(shift) ? [{ scale, shift, output: node.outputs[0]! }] : [];
  });
  return (group) => {
    const at = new Map(group.axes.map((place) => [place.value, place]));
    return found.flatMap(({ scale, shift, output }): Scale[] => {
      const [one, other] = [at.get(scale), at.get(shift)];
      return one && other ? [{ output, scale: one, shift: other }] : [];
    });
  };
}
