/** What is minimised, term by term: a loss, the output that it is put on, and what it counts. */

import { fail, option } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { isFloat } from "../graph/tensor.ts";
import { headOf, type Activation, type Head } from "../passes/heads.ts";
import { lossesOf, type FileLoss, type Loss, type LossSettings } from "../options/loss.ts";
import { nearest } from "../options/suggest.ts";
import type { LossDefinition } from "./losses/loss.ts";
import { lossOf } from "./losses/table.ts";

export interface Term {
  /** The output of the model. */
  readonly output: string;
  /** The value that the loss looks at: the output, or what stands before its Softmax or Sigmoid. */
  readonly value: string;
  /** What has to be undone, where the value is what such an activation gives. */
  readonly undo?: Activation | undefined;
  readonly loss: LossDefinition;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly weight: number;
  /** The name of its target in the data; "" for the only one there is. */
  readonly target: string;
}

/** Settings of a loss that say where it is put, and not what it is. */
const placing: ReadonlySet<string> = new Set(["kind", "output", "weight", "target"]);

type NamedLoss = Exclude<LossSettings, FileLoss>;

const isNamed = (one: LossSettings): one is NamedLoss => one.kind !== "file";

/**
 * The terms of an objective.
 *
 * @throws SecateurError `bad-option` for an output that the model does not have, or that holds no floats,
 * `bad-model` for a model without outputs
 */
export function termsOf(graph: Graph, loss: Loss): Term[] {
  const all = lossesOf(loss);
  const named = all.filter(isNamed);
  return named.map((one) => termOf(graph, one, all.length === 1));
}

function termOf(graph: Graph, one: NamedLoss, isOnly: boolean): Term {
  const output = outputOf(graph, one.output);
  checkFloats(graph, output, one);
  const known = lossOf(one.kind);
  const head = headOf(graph, output);
  const own = Object.entries(one).filter(([key, value]) => !placing.has(key) && value !== undefined);
  const settings = Object.fromEntries(own) as Record<string, unknown>;
  const loss = variantOf(known, settings, head);
  const term = { output, loss, weight: one.weight ?? 1, target: one.target ?? (isOnly ? "" : output) };
  if (head === undefined || loss.activation === undefined) return { ...term, value: output, settings };
  if (head.activation !== loss.activation) return { ...term, value: output, undo: otherThan(term, head), settings };
  if (loss.axis && settings["axis"] === undefined && head.axis !== undefined) settings["axis"] = head.axis;
  return head.logits === undefined
    ? { ...term, value: output, undo: head.activation, settings }
    : { ...term, value: head.logits, settings };
}

/** Whole numbers and truth values have no gradient. */
function checkFloats({ outputs }: Graph, name: string, loss: NamedLoss): void {
  const { dtype } = outputs.find((output) => output.name === name)!;
  if (isFloat(dtype)) return;
  const other = outputs.find((output) => isFloat(output.dtype))?.name;
  fail(
    "bad-option",
    `${loss.kind} is put on "${name}", which holds ${dtype} and not floats` +
      (other === undefined ? "" : `; "${other}" does, by ${option("loss", { ...loss, output: other })}`),
  );
}

/** A loss that is put on classes or on yes and no takes a Softmax for classes. */
function variantOf(loss: LossDefinition, settings: Record<string, unknown>, head: Head | undefined): LossDefinition {
  if (loss.variant === undefined) return loss;
  if (head?.activation === "softmax") settings["axis"] ??= head.axis;
  return loss.variant(settings);
}

/**
 * What has to be undone where an output ends otherwise than its loss expects: the probability of a class is one of yes
 * or no as well, but not the other way round.
 */
function otherThan({ loss, output }: Pick<Term, "loss" | "output">, { activation }: Head): Activation {
  if (activation === "softmax") return "sigmoid";
  return fail(
    "bad-option",
    `${loss.name} takes classes of which one is right, and "${output}" ends in a Sigmoid, yes or no for each: use ` +
      "bce, or export the model without its Sigmoid",
  );
}

function outputOf({ outputs }: Graph, name: string | undefined): string {
  const first = outputs[0]?.name ?? fail("bad-model", "the model has no output");
  if (name === undefined || outputs.some((output) => output.name === name)) return name ?? first;
  const names = outputs.map((output) => output.name);
  const near = nearest(name, names);
  return fail(
    "bad-option",
    `a loss is put on "${name}"${near === undefined ? "" : ` (did you mean ${near}?)`}, and the model's outputs are ` +
      names.map((one) => `"${one}"`).join(", "),
  );
}

/** The name of an input of the graph that belongs to a term: `target`, or `target/boxes` where there are several. */
export const inputNameOf = (kind: "target" | "teacher" | "noise", of: string): string =>
  of === "" ? kind : `${kind}/${of}`;
