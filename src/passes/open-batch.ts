/** Lets a model that was written for a fixed batch run on any. */

import { fail } from "../graph/error.ts";
import { producersOf, type Graph, type Node, type ValueInfo } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { ratioOf, type BatchPlace } from "./batch-place.ts";
import { removeDead } from "./dead.ts";
import { normalise } from "./normalise.ts";
import { candidatesOf, type Candidates } from "./open-candidates.ts";
import { openStage, settle, type Candidate, type Stage } from "./open-stage.ts";

/** The batch size that the inputs of a graph fix; `undefined` where it is open. */
export function fixedBatch(graph: Graph): number | undefined {
  const first = graph.inputs[0]?.shape?.[0];
  return typeof first === "number" ? first : undefined;
}

/** Of what a search may go back on: more means that no way leads on. */
const mostReturns = 500;

/**
 * The graph with an open batch, as the likeliest of {@link openings}.
 *
 * @throws SecateurError `unsupported` where the model fixes its batch in a way that is not understood
 */
export function openBatch(graph: Graph): Graph {
  const batch = fixedBatch(graph);
  if (batch === undefined) return graph;
  const found = openings(graph).next();
  if (!found.done) return found.value.graph;
  fail("unsupported", `the model is fixed to a batch of ${batch} (${found.value}); export it with an open batch`);
}

/** A way to open the batch of a graph. */
export interface Opening {
  readonly graph: Graph;
  /** Where the batch lies in the values that carry it. */
  readonly places: ReadonlyMap<string, BatchPlace>;
}

/** How a node stands in the graph that is being opened, and what else may stand there. */
interface Step {
  readonly chosen: Candidate;
  readonly others: Candidates;
}

/**
 * The graphs that run at any batch and at the fixed one are what the graph is, from the likeliest on. Node by node,
 * what states the batch is written so that it follows it: the first axes of inputs and outputs, targets of Reshape and
 * Expand, sizes of Resize, ends of Slice. What is the same for all samples is spread over the batch where it meets what
 * carries it. A batch of 1 can be any axis of 1 or a factor of any axis. What follows in the graph decides. Where it
 * fits in several ways, only running it can tell (see execute/opened.ts).
 *
 * @param graph a normalised graph whose first input has a fixed first axis, the batch
 * @returns why there is no other
 */
export function* openings(graph: Graph): Generator<Opening, string> {
  const batch = fixedBatch(graph)!;
  if (batch === 0) return "a batch of none";
  const stage = openStage(graph, batch);
  const { nodes } = graph;
  const producers = producersOf(graph);
  const numberOf = new Map(nodes.map((node, i) => [node, i]));
  const steps: Step[] = [];
  /** What made a step be taken again, so that going back skips no way. */
  const blamed = new Map<number, Set<number>>();
  let why: string | undefined;

  const advance = (i: number, candidates: Candidates, first: IteratorResult<Candidate, void>): boolean => {
    for (let next = first; !next.done; next = candidates.next(false)) {
      const refused = settle(stage, nodes[i]!, next.value);
      if (refused === undefined) {
        steps.length = i;
        steps.push({ chosen: next.value, others: candidates });
        return true;
      }
      why ??= refused;
    }
    return false;
  };
  const start = (i: number): boolean => {
    if (stage.original.refused.has(nodes[i]!)) {
      why ??= stage.original.refusals.find(({ node }) => node === nodes[i])!.reason;
      return false;
    }
    const candidates = candidatesOf(stage, nodes[i]!);
    return advance(i, candidates, candidates.next());
  };
  /** The steps that the inputs of some nodes follow from. */
  const before = (names: readonly string[]): Set<number> => {
    const found = new Set<number>();
    const pending = [...names];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      const producer = producers.get(name);
      const i = producer && numberOf.get(producer)!;
      if (i === undefined || found.has(i)) continue;
      found.add(i);
      pending.push(...producer!.inputs);
    }
    return found;
  };
  /** Takes the last step that is to blame another way; returns its number, -1 where none is left. */
  const goBack = (blame: Set<number>): number => {
    const open = new Set(blame);
    while (open.size > 0) {
      const i = Math.max(...open);
      open.delete(i);
      const { others } = steps[i]!;
      const causes = new Set([...(blamed.get(i) ?? []), ...open]);
      if (advance(i, others, others.next(true))) {
        blamed.set(i, causes);
        return i;
      }
      for (const one of causes) open.add(one);
      for (const one of before(nodes[i]!.inputs)) open.add(one);
    }
    return -1;
  };

  let returns = 0;
  for (let i = 0; ;) {
    let blame: Set<number> | undefined;
    if (i < nodes.length) {
      if (start(i)) {
        blamed.delete(i);
        i++;
        continue;
      }
      blame = before(nodes[i]!.inputs);
    } else {
      const short = shortOutput(stage, graph);
      if (short === undefined) yield { graph: assemble(stage, graph, steps), places: new Map(stage.places) };
      else why ??= `its output "${short}" does not follow the batch along its first axis`;
      blame = before(short === undefined ? graph.outputs.map(({ name }) => name) : [short]);
    }
    if (++returns > mostReturns) break;
    const back = goBack(blame);
    if (back === -1) break;
    i = back + 1;
  }
  const [constant] = stage.different;
  if (constant !== undefined) return `its constant "${constant}" holds other values for each sample`;
  return why ?? "no other way is left";
}

/** An output that cannot be told sample by sample: the first, by which a model is judged, along its first axis. */
function shortOutput({ places }: Stage, { outputs }: Graph): string | undefined {
  return outputs.find(({ name }, i) => {
    const place = places.get(name);
    return place === undefined ? i === 0 : ratioOf(place) !== 1 || (i === 0 && place.axis !== 0);
  })?.name;
}

function assemble(
  { places, initializers: all, size, sizing, batch }: Stage,
  graph: Graph,
  steps: readonly Step[],
): Graph {
  const nodes: Node[] = [];
  const initializers = new Map<string, Tensor>(graph.initializers);
  for (const { chosen } of steps) {
    nodes.push(...chosen.nodes);
    for (const name of chosen.tensors?.keys() ?? []) initializers.set(name, all.get(name)!);
  }
  const sized = nodes.some(({ inputs }) => inputs.includes(size)) ? [sizing, ...nodes] : nodes;
  const open = (value: ValueInfo): ValueInfo => {
    const axis = places.get(value.name)?.axis;
    return axis === undefined || value.shape?.[axis] !== batch
      ? value
      : { ...value, shape: value.shape.with(axis, "batch") };
  };
  // What the file and a trial run say of values holds at the fixed batch.
  const { found: _, ...rest } = graph;
  return removeDead({
    ...rest,
    nodes: sized,
    initializers,
    inputs: graph.inputs.map(open),
    outputs: graph.outputs.map(open),
    info: new Map(),
  });
}

/**
 * A graph that came of another by opening its batch, at the batch that the other fixes: what was
 * computed from its size is constants again.
 */
export function closeBatch(graph: Graph, original: Graph): Graph {
  const batch = fixedBatch(original);
  if (batch === undefined || fixedBatch(graph) !== undefined) return graph;
  const before = new Map(original.inputs.map(({ name, shape }) => [name, shape?.[0]]));
  const inputs = graph.inputs.map((input) => {
    const fixed = before.get(input.name);
    return input.shape && typeof fixed === "number" ? { ...input, shape: input.shape.with(0, fixed) } : input;
  });
  return normalise({ ...graph, inputs });
}
