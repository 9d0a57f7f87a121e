/** Whether two users of a weight share it, or read two that an exporter made one because they are equal. */

import { producersOf, type Graph, type Node } from "../graph/graph.ts";
import { isMadeUp, parametersOf } from "./modules.ts";

/** Where a weight, or what is computed of weights alone, is read. */
export interface Use {
  /** The node that computes on data with it, behind those that compute on weights alone. */
  readonly leaf: Node;
  /** The operators up to that node, and which input of each it is. */
  readonly path: string;
  /** The name that it is read by: its own, or that of an Identity of it. */
  readonly via: string;
}

/** Activations are followed back this far to find the layer in front. */
const farthest = 12;

/**
 * Tells users that belong together by what the file says of where they come from. Where it says nothing, the weight
 * decides: numbers that were drawn or learned are not equal by chance, but all ones and zeros are.
 *
 * @param rootOf the initializer behind what an Identity makes of it
 */
export function togetherIn(
  graph: Graph,
  rootOf: ReadonlyMap<string, string>,
): (a: Use, b: Use, isConstant: () => boolean) => boolean {
  const producers = producersOf(graph);
  const folders = new Set(graph.nodes.map(({ name }) => folderOf(name)));
  const weightsOf = (node: Node): readonly (readonly [index: number, name: string])[] =>
    node.inputs.flatMap((name, i) => {
      const root = rootOf.get(name) ?? name;
      return graph.initializers.has(root) ? [[i, root] as const] : [];
    });

  /**
   * Whether two nodes are the same place of two branches: they are of one kind, read the same weights, and lie
   * behind a layer that is applied twice.
   */
  const correspond = (a: Node, b: Node, steps: number): boolean => {
    if (steps === 0 || a === b || a.op !== b.op || a.inputs.length !== b.inputs.length) return false;
    const [of, other] = [weightsOf(a), weightsOf(b)];
    if (of.length !== other.length || of.some(([i, name], k) => other[k]![0] !== i || other[k]![1] !== name))
      return false;
    if (of.some(([, name]) => isDistinct(name))) return true;
    return a.inputs.some((name, i) => {
      const [before, beside] = [producers.get(name), producers.get(b.inputs[i]!)];
      return before !== undefined && beside !== undefined && correspond(before, beside, steps - 1);
    });
  };
  const distinct = new Map<string, boolean>();
  /** Whether equal numbers would be no chance: floats that are not all the same. */
  const isDistinct = (name: string): boolean => {
    const known = distinct.get(name);
    if (known !== undefined) return known;
    const { dtype, data } = graph.initializers.get(name)!;
    const found = /float/.test(dtype) && (data as Float32Array).some((x) => x !== (data as Float32Array)[0]);
    distinct.set(name, found);
    return found;
  };

  /** Whether two nodes have each a weight of their own at the same place, as the layers of one recurrent module. */
  const differ = (a: Node, b: Node): boolean =>
    weightsOf(a).some(([i, name]) => {
      const [, beside = name] = weightsOf(b).find(([index]) => index === i) ?? [];
      return beside !== name && isDistinct(name) && isDistinct(beside);
    });

  /** Whether two nodes are one node of a module that is called twice: /head/conv/Conv and /head/conv_1/Conv. */
  const sameModule = (a: Node, b: Node): boolean => {
    const [one, other] = [a.name.split("/"), b.name.split("/")];
    if (one.length < 3 || one.length !== other.length || one.at(-1) !== other.at(-1) || a.name === b.name) return false;
    const first = one.map((part, i) => (part === other[i] ? part : part.replace(/_\d+$/, "")));
    const same = first.every((part, i) => part === other[i] || part === other[i]!.replace(/_\d+$/, ""));
    return same && folders.has(folderOf(first.join("/")));
  };

  return (a, b, isConstant) => {
    const [of, other] = [parametersOf(a.leaf), parametersOf(b.leaf)];
    if (of.length > 0 && other.length > 0) {
      if (a.path === b.path) return of.join() === other.join() && !(isConstant() && differ(a.leaf, b.leaf));
      return !isConstant() && of.some((name) => other.includes(name));
    }
    if (a.via !== b.via) {
      // The older exporter reads by Identity what it found equal, and not what is one.
      if (!isMadeUp(a.via) && !isMadeUp(b.via)) return false;
      return a.path === b.path && sameModule(a.leaf, b.leaf);
    }
    if (!isConstant()) return true;
    return a.path === b.path && (sameModule(a.leaf, b.leaf) || correspond(a.leaf, b.leaf, farthest));
  };
}

const folderOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf("/")));
