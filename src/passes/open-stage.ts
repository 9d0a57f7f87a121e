/** A graph whose batch is being opened, at several batch sizes at once: what is known of its values so far. */

import { SecateurError } from "../graph/error.ts";
import { describe, type Graph, type Node, type Type } from "../graph/graph.ts";
import { namesOf } from "../graph/names.ts";
import { isFloat, type Shape, type Tensor } from "../graph/tensor.ts";
import { beside, intOf } from "../onnx/upgrade-step.ts";
import { findOp } from "../ops/table.ts";
import { growth, isSamePlace, placesInOrder, ratioOf, type BatchPlace } from "./batch-place.ts";
import { inferNode, trace, type Traced } from "./trace.ts";

/** Times the fixed batch: what follows from the batch otherwise than in proportion shows in the third. */
const multiples = [1, 2, 3] as const;

interface State {
  readonly types: Map<string, Type>;
  readonly constants: Map<string, Tensor>;
}

export interface Stage {
  /** The batch that the model is fixed to. */
  readonly batch: number;
  /** The graph as it is, at that batch. */
  readonly original: Traced;
  /** At 1, 2, 3 times the batch. */
  readonly states: readonly State[];
  /** Where the batch lies in the values that carry it. */
  readonly places: Map<string, BatchPlace>;
  readonly initializers: Map<string, Tensor>;
  /** A value [1] that holds the size of the batch, and the node that computes it. */
  readonly size: string;
  readonly sizing: Node;
  /** Constants that hold other values for each sample. */
  readonly different: Set<string>;
  fresh(base: string): string;
}

/** What may stand in the place of a node. */
export interface Candidate {
  /** The last has the node's outputs; those before it compute its inputs. */
  readonly nodes: readonly Node[];
  readonly tensors?: ReadonlyMap<string, Tensor>;
  /** Where the batch lies in what the nodes before the last compute. */
  readonly places?: ReadonlyMap<string, BatchPlace>;
  /** Where the batch has to lie in the first output. */
  readonly expected?: BatchPlace;
}

/** The stage before the first node: inputs whose first axis is the batch, or is open, are open. */
export function openStage(graph: Graph, batch: number, original = trace(graph, { batch })): Stage {
  const isFixed = typeof graph.inputs[0]?.shape?.[0] === "number";
  const inputs = graph.inputs.map((input) =>
    isFixed && input.shape?.[0] === batch ? { ...input, shape: ["batch", ...input.shape.slice(1)] } : input,
  );
  const { found: _, ...rest } = graph;
  const bare: Graph = { ...rest, inputs, nodes: [], info: new Map() };
  const states = multiples.map((times): State => {
    const { types, constants } = trace(bare, { batch: times * batch });
    return { types: new Map(types), constants: new Map(constants) };
  });
  const taken = namesOf(graph);
  const size = taken.fresh("batch_size");
  const sizing = beside("Shape", [graph.inputs[0]!.name], [size], { start: intOf(0), end: intOf(1) });
  const initializers = new Map(graph.initializers);
  for (const { types, constants } of states) inferNode(sizing, types, constants, initializers);
  const places = new Map(
    inputs.flatMap(({ name }) => {
      const grown = growth(
        states.map(({ types }) => types.get(name)!.shape),
        batch,
      );
      return typeof grown === "object" ? [[name, { axis: grown.axis, outer: 1, inner: 1 }] as const] : [];
    }),
  );
  return {
    batch,
    original,
    states,
    places,
    initializers,
    size,
    sizing,
    different: new Set(),
    fresh: (base) => taken.fresh(base),
  };
}

/**
 * Where the batch lies in the values of a graph with an open batch that are known to carry it.
 *
 * @param original the trace of the graph at that batch, where there is one
 */
export function batchPlaces(graph: Graph, batch: number, original?: Traced): ReadonlyMap<string, BatchPlace> {
  const stage = openStage(graph, batch, original);
  for (const node of graph.nodes)
    if (stage.original.refused.has(node) || settle(stage, node, { nodes: [node] }) !== undefined)
      for (const name of node.outputs) {
        stage.places.delete(name);
        for (const { types, constants } of stage.states) [types, constants].forEach((known) => known.delete(name));
      }
  return stage.places;
}

/** The shapes of a value at all sizes; `undefined` where they are not known. */
export function shapesOf({ states }: Stage, name: string): Shape[] | undefined {
  const shapes = states.map(({ types }) => types.get(name)?.shape);
  return shapes.every((shape) => shape !== undefined) ? shapes : undefined;
}

/** Puts a candidate in the place of a node; returns why it does not fit there. */
export function settle(stage: Stage, node: Node, candidate: Candidate): string | undefined {
  const { states, initializers, places } = stage;
  for (const [name, value] of candidate.tensors ?? []) {
    initializers.set(name, value);
    for (const { types, constants } of states) {
      types.set(name, { dtype: value.dtype, shape: value.shape });
      constants.set(name, value);
    }
  }
  for (const [name, place] of candidate.places ?? []) places.set(name, place);
  for (const one of candidate.nodes) {
    for (const { types, constants } of states) {
      for (const name of one.outputs) constants.delete(name);
      const why = tried(() => inferNode(one, types, constants, initializers));
      if (why !== undefined) return why;
    }
  }
  const last = candidate.nodes.at(-1)!;
  for (const [i, name] of node.outputs.entries()) {
    if (name === "") continue;
    const found = placeOf(stage, last, name);
    if (typeof found === "string") return `${describe(node)}: ${found}`;
    if (i === 0 && candidate.expected && !(found && isSamePlace(found, candidate.expected)))
      return `${describe(node)}: the batch goes elsewhere`;
    if (found) places.set(name, found);
    else places.delete(name);
  }
  return undefined;
}

/**
 * Where the batch lies in an output of a node; `undefined` where it is not in it, a text where samples would be mixed.
 */
function placeOf(stage: Stage, node: Node, name: string): BatchPlace | undefined | string {
  const { batch, original, states, places } = stage;
  const shapes = shapesOf(stage, name);
  const before = original.types.get(name)?.shape;
  if (shapes === undefined || before === undefined) return "the shape of its output is not known";
  if (shapes[0]!.join() !== before.join())
    return `its output is [${before.join(", ")}] in the file, and would be [${shapes[0]!.join(", ")}]`;
  const carried = node.inputs.flatMap((input) => {
    const place = places.get(input);
    return place ? [{ input, place }] : [];
  });
  const axis = growth(shapes, batch);
  if (axis === undefined) return "the samples of the batch would be mixed";
  if (axis === "same") {
    const isSize = states.every(({ constants }) => constants.has(name)) && !isFloat(states[0]!.types.get(name)!.dtype);
    return carried.length === 0 || isSize ? undefined : "its output does not follow the batch";
  }
  const ratio = shapes[0]![axis.axis]! / batch;
  const data = carried.find(({ input }) => input === node.inputs[0]);
  if (findOp(node.op, node.domain)?.view && data) {
    const from = states[0]!.types.get(data.input)!.shape;
    const kept = placesInOrder(from, data.place, shapes[0]!, batch).find((place) => place.axis === axis.axis);
    return kept ?? "the samples of the batch would be mixed";
  }
  if (ratio === 1) return { axis: axis.axis, outer: 1, inner: 1 };
  const folded = carried.filter(({ place }) => ratioOf(place) === ratio);
  const [first, ...others] = folded;
  if (first === undefined || others.some(({ place }) => place.outer !== first.place.outer))
    return "the samples of the batch would be mixed";
  return { ...first.place, axis: axis.axis };
}

/** Why a node cannot be typed; `undefined` where it can. */
function tried(infer: () => string | undefined): string | undefined {
  try {
    return infer();
  } catch (error) {
    if (error instanceof SecateurError) return error.message;
    throw error;
  }
}
