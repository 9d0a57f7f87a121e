/** Losses as a command line writes them: [OUTPUT=]LOSS[:WEIGHT][,SETTING=VALUE...], and file:FILE[:WEIGHT]. */

import { z } from "zod";
import { fail } from "../graph/error.ts";
import { bare, expected, shown } from "./kinds.ts";
import {
  isLossName,
  lossesOf,
  lossNames,
  noLoss,
  noSetting,
  settingKindsOf,
  type Loss,
  type LossName,
  type LossSettings,
} from "./loss.ts";

/** What stands between the numbers of a list, as commas stand between settings. */
const between = "+";
/** Settings that have a place of their own in the text. */
const placedElsewhere: ReadonlySet<string> = new Set(["output", "weight"]);

const file = /^file:(.+?)(?::([^:/\\]*))?$/;
const names = lossNames.join("|");
const rest = String.raw`(?::([^,=]*))?((?:,[\w-]+=[^,]*)*)`;
/** A text that begins with the name of a loss is no output of that name: "bce,target=l1". */
const plain = new RegExp(`^(${names})${rest}$`);
const onOutput = new RegExp(`^(.+?)=(${names})${rest}$`);

/**
 * A loss as it is written on a command line.
 *
 * @throws SecateurError `bad-option` for what is none, with the names that there are
 */
export function parseLoss(text: string): LossName | LossSettings {
  if (text.startsWith("file:")) return parseFile(text);
  const own = plain.exec(text);
  if (own) return settled(undefined, own[1] as LossName, own[2], own[3]!);
  const other = onOutput.exec(text);
  if (other) return settled(other[1], other[2] as LossName, other[3], other[4]!);
  return refuse(text);
}

function refuse(text: string): never {
  const [, output, word = text] = /^(?:(.+?)=)?([^=:,]*)/.exec(text) ?? [];
  if (isLossName(word) || output?.includes(","))
    fail("bad-option", `"${text}" does not look like ${form}; the numbers of a list have ${between} between them`);
  if (output !== undefined && word === "file")
    fail(
      "bad-option",
      `"${text}": a loss in a file finds outputs by the names of its inputs; write ${text.slice(output.length + 1)}`,
    );
  if (output !== undefined && isLossName(output))
    fail("bad-option", `"${text}" has the loss before the output; write ${word}=${output}`);
  fail("bad-option", noLoss(output === undefined ? "the loss" : `the loss of ${output}`, word, lossNames));
}

const form = "OUTPUT=LOSS:WEIGHT,SETTING=VALUE, as boxes=huber:0.5,delta=0.1";

function parseFile(text: string): LossSettings {
  const [, path = "", weight] = file.exec(text) ?? [];
  if (path === "") fail("bad-option", `"${text}" names no file; write file:loss.onnx`);
  // A colon may belong to the path.
  if (weight !== undefined && (weight === "" || Number.isNaN(Number(weight))))
    return { kind: "file", file: text.slice("file:".length) };
  return { kind: "file", file: path, ...weightOf("file", weight) };
}

function settled(
  output: string | undefined,
  kind: LossName,
  weight: string | undefined,
  settings: string,
): LossName | LossSettings {
  const own = settings.split(",").slice(1);
  if (output === undefined && weight === undefined && own.length === 0) return kind;
  return {
    kind,
    ...(output !== undefined && { output }),
    ...weightOf(kind, weight),
    ...Object.fromEntries(own.map((each) => settingOf(kind, each))),
  } as LossSettings;
}

function weightOf(kind: LossName | "file", text: string | undefined): { readonly weight?: number } {
  return text === undefined ? {} : { weight: valueOf(kind, "weight", text) as number };
}

function settingOf(kind: LossName, text: string): readonly [string, unknown] {
  const [word = "", value = ""] = text.split("=");
  const name = word.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  if (name === "weight") fail("bad-option", `a weight stands behind a colon: ${kind}:${value}`);
  const known = Object.keys(settingKindsOf(kind)).filter((key) => !placedElsewhere.has(key));
  if (!known.includes(name)) fail("bad-option", noSetting(kind, word, known.map(kebab)));
  return [name, valueOf(kind, name, value)];
}

function valueOf(kind: LossName | "file", name: string, text: string): unknown {
  const schema = settingKindsOf(kind)[name]!;
  const inner = bare(schema);
  const number = (one: string): number => (one.trim() === "" ? Number.NaN : Number(one));
  const value =
    inner instanceof z.ZodString ? text : inner instanceof z.ZodArray ? text.split(between).map(number) : number(text);
  if (schema.safeParse(value).success) return value;
  const lists = inner instanceof z.ZodArray ? ` with ${between} between them` : "";
  return fail("bad-option", `${kebab(name)} of ${kind} is ${shown(text)}, it must be ${expected(inner)}${lists}`);
}

const kebab = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Losses as they were before, with one more. */
export function withLoss(known: Loss | "auto" | undefined, one: LossName | LossSettings): Loss {
  if (known === undefined || known === "auto") return one;
  return [...lossesOf(known), ...lossesOf(one)];
}

/** The same losses with other paths of their files. */
export function withFiles(loss: Loss | "auto", change: (path: string) => string): Loss | "auto" {
  const all = loss === "auto" ? [] : lossesOf(loss);
  if (!all.some((one) => one.kind === "file" && one.file !== undefined)) return loss;
  return all.map((one) => (one.kind === "file" && one.file !== undefined ? { ...one, file: change(one.file) } : one));
}

/** Losses as a command line writes them, each a text of its own. */
export const textsOfLoss = (loss: Loss | "auto"): string[] => (loss === "auto" ? [loss] : lossesOf(loss).map(textOf));

function textOf(loss: LossSettings): string {
  const weight = loss.weight === undefined ? "" : `:${loss.weight}`;
  if (loss.kind === "file") return `file:${loss.file ?? "loss.onnx"}${weight}`;
  const { kind, output, weight: _, ...settings } = loss;
  const own = Object.entries(settings).flatMap(([name, value]: [string, unknown]) =>
    value === undefined ? [] : [`,${kebab(name)}=${Array.isArray(value) ? value.join(between) : String(value)}`],
  );
  return `${output === undefined ? "" : `${output}=`}${kind}${weight}${own.join("")}`;
}
