/** Brings the nodes of a model from the internal opset to another, step by step back as the ONNX standard changed. */

import { fail } from "../graph/error.ts";
import { bodies, describe, type Graph, type Model, type Node } from "../graph/graph.ts";
import { namesOf } from "../graph/names.ts";
import type { Downgrade, Downgrading } from "./downgrade-step.ts";
import { countFromFront, downgrades, fromTheBack } from "./downgrades.ts";
import { formOf } from "../graph/forms.ts";
import { added, introduced, moreInputs, moreOutputs, moreTypes, removed } from "./history.ts";
import { internalOpset, newestOpset, oldestOpset } from "./opsets.ts";
import { rewriteNodes, type Surroundings } from "./scope.ts";
import { edit } from "./upgrade-step.ts";
import { upgrades } from "./upgrades.ts";

/** An opset that can't say what a node does. */
class Unsayable extends Error {
  readonly needs: number;
  constructor(needs: number) {
    super();
    this.needs = needs;
  }
}

const own = <T>(table: Readonly<Record<string, T>>, op: string): T | undefined =>
  Object.hasOwn(table, op) ? table[op] : undefined;

/** The opsets in which an operator changed, newest first. */
function changesOf(op: string): number[] {
  const steps = [
    ...(own(downgrades, op) ?? []).map(({ since }) => since),
    ...Object.values(own(added, op) ?? {}).map(([since]) => since),
    ...[...(own(moreInputs, op) ?? []), ...(own(moreOutputs, op) ?? [])].map(([since]) => since),
    ...(moreTypes.get(op) ?? []).map(({ since }) => since),
    ...(fromTheBack.includes(op) ? [11] : []),
  ];
  return [...new Set(steps)].toSorted((a, b) => b - a);
}

/** What it means to leave out an attribute whose default is none of one number or text. */
function isWithout(name: string, value: unknown): boolean {
  if (name === "seed") return true;
  return name === "dilations" && Array.isArray(value) && value.every((one) => one === 1);
}

/** The node without what an opset added to its operator, where that says nothing. */
function withoutAdded(node: Node, since: number, context: Downgrading): Node {
  const gone = Object.entries(own(added, node.op) ?? {}).filter(([name, [from]]) => {
    const attribute = from === since && Object.hasOwn(node.attributes, name) ? node.attributes[name] : undefined;
    if (attribute === undefined) return false;
    const [, otherwise] = own(added, node.op)![name]!;
    const says = otherwise === null ? !isWithout(name, attribute.value) : attribute.value !== otherwise;
    return says ? context.needs() : true;
  });
  const tooMany = (
    counts: readonly (readonly [number, number])[] | undefined,
    names: readonly string[],
    counted: (name: string) => boolean,
  ): boolean =>
    counts?.some(([from, before]) => from === since && names.slice(before).some((name) => counted(name))) === true;
  if (tooMany(own(moreInputs, node.op), node.inputs, (name) => name !== "")) context.needs();
  if (tooMany(own(moreOutputs, node.op), node.outputs, (name) => context.isUsed(name))) context.needs();
  for (const { since: from, input, types } of moreTypes.get(node.op) ?? []) {
    // What an older file has is left to who reads it.
    if (from !== since || context.from < since) continue;
    const dtype = context.dtype(node.inputs[input] ?? "");
    if (dtype !== undefined && types.includes(dtype)) context.needs();
  }
  return gone.length === 0
    ? node
    : edit(
        node,
        gone.map(([name]) => name),
      );
}

function step(node: Node, below: number, around: Omit<Downgrading, "needs">): readonly Node[] {
  const since = changesOf(node.op).find((one) => one < below && one > around.to);
  if (since === undefined) {
    const came = introduced.get(node.op) ?? 0;
    if (came > around.to) throw new Unsayable(came);
    if ((own(removed, node.op) ?? Infinity) <= around.to) throw new Unsayable(Infinity);
    return [node];
  }
  const context: Downgrading = {
    ...around,
    needs() {
      throw new Unsayable(since);
    },
  };
  const special = own(downgrades, node.op)?.find((one: Downgrade) => one.since === since);
  const made = special ? special.downgrade(node, context) : node;
  const all: readonly Node[] = Array.isArray(made) ? made : [made as Node];
  return all.flatMap((one) => {
    const bare = one.op === node.op ? withoutAdded(one, since, context) : one;
    const turned =
      since === 11 && around.from >= 11 && fromTheBack.includes(bare.op) ? countFromFront(bare, context) : bare;
    return step(turned, since, around);
  });
}

/** The node as nodes of an earlier opset, or the earliest opset that can say what it does. */
export function lower(node: Node, to: number, around: Surroundings, from: number): readonly Node[] | number {
  try {
    return step(node, Infinity, { ...around, from, to });
  } catch (error) {
    if (error instanceof Unsayable) return error.needs;
    throw error;
  }
}

/** Whether an operator means the same in two opsets. */
export function sameMeaning(op: string, a: number, b: number): boolean {
  const [low, high] = [Math.min(a, b), Math.max(a, b)];
  const steps = [...changesOf(op), ...(own(upgrades, op) ?? []).map(({ since }) => since)];
  const bounds = [introduced.get(op) ?? 0, own(removed, op) ?? 0];
  return ![...steps, ...bounds].some((since) => since > low && since <= high);
}

export interface Lowered {
  readonly model: Model;
  readonly opset: number;
  /** Nodes for which the opset is higher than was wanted. */
  readonly because: readonly Node[];
}

/**
 * A model of the internal opset in another: the one that is wanted, or the next that can say what all nodes do.
 *
 * @throws SecateurError `unsupported` naming a node that kept the form of another opset
 * and means something else in this one
 */
export function toOpset(model: Model, wanted: number): Lowered {
  if (!(Number.isInteger(wanted) && wanted >= oldestOpset && wanted <= newestOpset))
    fail("bad-option", `opset ${wanted} can't be written; opsets ${oldestOpset} to ${newestOpset} can`);
  const from = model.fileOpset ?? internalOpset;
  const because: Node[] = [];
  for (let opset = wanted; ;) {
    const given: { readonly node: Node; readonly needs: number }[] = [];
    const graph = lowerAll(model.graph, opset, from, given);
    // Some have only made what another needs no more.
    const left = new Set(allNodes(graph));
    const missing = given.filter(({ node }) => left.has(node));
    if (missing.length === 0)
      return { model: { ...model, graph, opsets: { ...model.opsets, "": opset } }, opset, because };
    because.push(...missing.map(({ node }) => node));
    opset = Math.max(...missing.map(({ needs }) => needs));
    if (opset > newestOpset) fail("internal", `no opset has ${describe(missing[0]!.node)}`);
  }
}

function* allNodes(graph: Graph): Generator<Node> {
  for (const node of graph.nodes) {
    yield node;
    for (const body of bodies(node)) yield* allNodes(body);
  }
}

function lowerAll(graph: Graph, to: number, from: number, missing: { node: Node; needs: number }[]): Graph {
  return rewriteNodes(graph, namesOf(graph), (node, around) => {
    const form = formOf(node);
    if (form !== undefined) {
      if (sameMeaning(node.op, form, to)) return [{ ...node, domain: "" }];
      return fail(
        "unsupported",
        `${describe({ ...node, domain: "" })} is in the form of opset ${form} and means something else in opset ` +
          `${to}; write the model in opset ${form}`,
      );
    }
    if (node.domain !== "" || !introduced.has(node.op)) return [node];
    const lowered = lower(node, to, around, from);
    if (typeof lowered !== "number") return lowered;
    missing.push({ node, needs: lowered });
    return [node];
  });
}
