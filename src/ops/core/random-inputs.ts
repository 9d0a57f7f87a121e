/** How a node that draws at random is made to take its draws from outside. */

import type { Node } from "../../graph/graph.ts";
import type { DType, Tensor } from "../../graph/tensor.ts";

/** Names for what a rule adds to a graph. */
export interface Names {
  /** A name that is not taken yet. */
  fresh(base: string): string;
  /** The name of an initializer with this value. */
  constant(base: string, value: Tensor): string;
}

export interface NoiseRule {
  /** The input by index in whose shape uniform numbers of [0, 1) are drawn, as float32. */
  readonly like: number;
  /**
   * @param noise the name of the drawn numbers
   * @param dtype of that input
   */
  nodes(node: Node, noise: string, dtype: DType, names: Names): readonly Node[];
}
