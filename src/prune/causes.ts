/** Why units can not be pruned: the few causes behind all that is frozen, what each costs, and what to do about it. */

import { describe, reads, type Node } from "../graph/graph.ts";
import { isFloat, sizeOf } from "../graph/tensor.ts";
import { adviseUnknown } from "../ops/refused.ts";
import { applicationOf, type Traced } from "../passes/trace.ts";
import { macsOf } from "../passes/costs.ts";
import { frozenFromOutside, type Holder } from "./coupling/couple.ts";
import type { Analysis } from "./coupling/analysis.ts";
import type { FrozenGroup } from "./coupling/groups.ts";

/** One thing that keeps units from being pruned. */
export interface Cause {
  /**
   * An operator without a rule, an input or output of the model, a body that reads a value, or
   * a node whose rule wants axes whole.
   */
  readonly kind: Holder["kind"] | "rule";
  /** What it is, in a sentence without its end. */
  readonly what: string;
  /** The first nodes, or the inputs or outputs, by name. */
  readonly names: readonly string[];
  /** How many nodes, or inputs or outputs. */
  readonly count: number;
  /** Units that it freezes. */
  readonly units: number;
  /** Multiply-accumulates of one sample that compute these units where they first are. */
  readonly macs: number;
  /**
   * Learned numbers that operators without a rule read themselves. What neurons these make is not known,
   * so that they are not among the units.
   */
  readonly params: number;
  /** What to do about it, a sentence; absent where nothing helps. */
  readonly advice?: string;
}

/** More names than this say nothing further. */
const mostNames = 3;

/** What keeps the units of a frozen group: the first of these kinds that one of its reasons has. */
const gravest = ["operator", "input", "body", "rule", "output"] as const;

interface Found {
  readonly kind: Cause["kind"];
  readonly key: string;
  readonly holders: Map<string, Holder | undefined>;
  readonly groups: FrozenGroup[];
}

/**
 * The causes of all that is frozen, the one that costs most first. Axes that are no neurons, such as tokens, count for
 * nothing; outputs of the model that hold no more than their own layer come last.
 */
export function causesOf(analysis: Analysis): Cause[] {
  const { traced } = analysis;
  const holders = new Map(frozenFromOutside(traced).map(({ reason, by }) => [reason, by]));
  const found = new Map<string, Found>();
  for (const group of neuronsOf(analysis)) {
    const reasons = group.reasons.map((reason) => ({ reason, by: holders.get(reason) }));
    const kindOf = (by: Holder | undefined): Cause["kind"] => by?.kind ?? "rule";
    const kind = gravest.find((one) => reasons.some(({ by }) => kindOf(by) === one))!;
    const own = reasons.filter(({ by }) => kindOf(by) === kind);
    const key = keyFor(kind, own[0]!);
    const known = found.get(key) ?? { kind, key, holders: new Map<string, Holder | undefined>(), groups: [] };
    found.set(key, known);
    for (const { reason, by } of own) if (keyFor(kind, { reason, by }) === key) known.holders.set(reason, by);
    known.groups.push(group);
  }
  for (const { node, reason } of traced.refusals) {
    // Nodes whose units can not even be counted are named all the same.
    const by: Holder = { kind: "operator", node };
    const key = keyFor("operator", { reason, by });
    const known = found.get(key) ?? {
      kind: "operator",
      key,
      holders: new Map<string, Holder | undefined>(),
      groups: [],
    };
    if (found.has(key) || learnedBy(traced, [node]) > 0) found.set(key, known);
    known.holders.set(`${describe(node)}: ${reason}`, by);
  }
  return [...found.values()]
    .map((one) => causeOf(traced, one))
    .sort(
      (a, b) => Number(a.kind === "output") - Number(b.kind === "output") || b.macs - a.macs || b.params - a.params,
    );
}

/** Inputs are one cause, and so are all nodes of an operator, and of a domain that is not the standard's. */
function keyFor(
  kind: Cause["kind"],
  { reason, by }: { readonly reason: string; readonly by: Holder | undefined },
): string {
  if (by?.kind === "operator") return `operator ${by.node.domain || by.node.op}`;
  if (by?.kind === "body") return `body ${describe(by.node)}`;
  return kind === "rule" ? reason : kind;
}

/** The frozen groups that are neurons: what no activation brings along, but a weight makes of it. */
export function neuronsOf({ traced, activations, links, producers, frozen }: Analysis): FrozenGroup[] {
  const isMade = (value: string, axis: number): boolean => {
    const node = producers.get(value);
    const link = node && links.get(node);
    if (link === undefined || !activations.has(value)) return false;
    const brings = (name: string): boolean =>
      (traced.types.get(name)?.shape ?? []).some((_, from) =>
        link.passes({ value: name, axis: from }, { value, axis }),
      );
    const sources = link.applied.node.inputs.filter((name) => name !== "");
    return (
      sources.some((name) => !activations.has(name) && brings(name)) &&
      !sources.some((name) => activations.has(name) && brings(name))
    );
  };
  return frozen.filter(({ axes: places }) => places.some(({ value, axis }) => isMade(value, axis)));
}

/** The multiply-accumulates of the node that first produces the units, the share of them. */
function costOf(traced: Traced, { node, axes: places, units }: FrozenGroup): number {
  const applied = applicationOf(traced, node);
  const place = places.find(({ value }) => node.outputs.includes(value));
  if (applied === undefined || place === undefined) return 0;
  const size = traced.types.get(place.value)!.shape[place.axis]!;
  return macsOf(applied) * Math.min(1, units / size);
}

/** The learned numbers among what nodes read. */
function learnedBy({ graph }: Traced, nodes: readonly Node[]): number {
  const names = new Set(nodes.flatMap(reads));
  return [...names].reduce((sum, name) => {
    const weight = graph.initializers.get(name);
    return weight && isFloat(weight.dtype) && weight.shape.length > 0 ? sum + sizeOf(weight.shape) : sum;
  }, 0);
}

function causeOf(traced: Traced, { kind, holders, groups }: Found): Cause {
  const batch = traced.types.get(traced.graph.inputs[0]?.name ?? "")?.shape[0] || 1;
  const units = groups.reduce((sum, group) => sum + group.units, 0);
  const macs = groups.reduce((sum, group) => sum + costOf(traced, group), 0) / batch;
  const list = [...holders.values()].filter((by) => by !== undefined);
  const all = [...new Set(list.map((by) => ("node" in by ? describe(by.node) : by.name)))];
  const { what, advice } = explain(traced, kind, list, [...holders.keys()]);
  return {
    kind,
    what,
    names: all.slice(0, mostNames),
    count: kind === "rule" ? 1 : all.length,
    units,
    macs,
    params: learnedBy(
      traced,
      list.flatMap((by) => (by.kind === "operator" ? [by.node] : [])),
    ),
    ...(advice && { advice }),
  };
}

/** How exporters call what a decoder keeps of the tokens before. */
const cached = /past|cache|mems/i;

const quoted = (names: readonly string[]): string => {
  const shown = names
    .slice(0, 1)
    .map((name) => `"${name}"`)
    .join(", ");
  return names.length > 1 ? `${shown} and ${names.length - 1} more` : shown;
};

function explain(
  traced: Traced,
  kind: Cause["kind"],
  holders: readonly Holder[],
  reasons: readonly string[],
): { readonly what: string; readonly advice?: string } {
  const nodes = holders.flatMap((by) => ("node" in by ? [by.node] : []));
  if (kind === "operator") return explainOperator(traced, nodes);
  if (kind === "body")
    return {
      what: `${describe(nodes[0]!)} reads values inside of its body, which is not looked into`,
      advice: "Export the model without control flow, for example by tracing it instead of scripting it.",
    };
  if (kind === "rule") return { what: reasons[0]! };
  const names = [...new Set(holders.flatMap((by) => ("name" in by ? [by.name] : [])))];
  if (kind === "output") return { what: `outputs of the model keep their sizes: ${quoted(names)}` };
  const caches = names.filter((name) => isFloat(traced.types.get(name)!.dtype) && cached.test(name));
  return caches.length > 0
    ? {
        what: `its keys and values are the input ${quoted(caches)}: the heads of a cache keep their number and width`,
        advice: "To prune heads, export the model without its cache (use_cache=False).",
      }
    : { what: `inputs of the model keep their sizes: ${quoted(names)}` };
}

function explainOperator(traced: Traced, nodes: readonly Node[]): { readonly what: string; readonly advice?: string } {
  const [first] = nodes as readonly [Node, ...Node[]];
  const advice = adviseUnknown(first.op, first.domain);
  const reason = traced.refusals.find(({ node }) => node === first)?.reason ?? "how its axes couple is not stated";
  const where = nodes.length > 1 ? `${describe(first)} and ${nodes.length - 1} more` : describe(first);
  if (advice === undefined) return { what: `${where}: ${reason}` };
  const names = [...new Set(nodes.map(({ op, domain }) => (domain === "" ? op : `${domain}.${op}`)))];
  const does = names.length > 1 ? "do to their axes" : "does to its axes";
  return { what: `${where}: what ${names.slice(0, mostNames).join(", ")} ${does} is not known`, advice };
}
