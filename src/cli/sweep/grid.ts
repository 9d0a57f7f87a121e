/** The runs of a sweep: every combination of the values that options are given. */

import { readFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { fail } from "../../graph/error.ts";
import { describeIo } from "../../onnx/atomic-node.ts";
import { nearest } from "../../options/suggest.ts";
import { flagOf } from "../../report/figures.ts";
import type { PlannedRun } from "../../report/sweep-node.ts";
import { withPruning, type PruneFlags } from "../commands/prune-options.ts";
import { formOf, withForm } from "../forms.ts";
import { isRare, leaveToLongHelp } from "../help.ts";

/** Where a run writes, and what it goes on with, is the sweep's business. */
const ours = new Set(
  "output run resume force json threads help queue queueCa store storeEndpoint cache cacheSize dryRun".split(" "),
);
/** Options of which prune itself takes several. */
const several = new Set(["keep", "loss", "shape", "ratio"]);

const pruning = (): Command => withPruning(new Command("prune").argument("[model]").exitOverride());

/** Gives a command the options of `secateur prune`, each of which may be given several times. */
export function withSwept(command: Command): Command {
  for (const option of pruning().options) if (!ours.has(option.attributeName())) command.addOption(repeatable(option));
  return command;
}

function repeatable(option: Option): Option {
  const { defaultValue, defaultValueDescription: told = defaultValue } = option;
  const shown = option.negate || told === undefined || option.isBoolean() ? "" : ` (default: ${String(told)})`;
  const copy = new Option(option.flags, `${option.description}${shown}`);
  copy.helpGroup(option.helpGroupHeading!);
  if (isRare(option)) leaveToLongHelp(copy);
  if (option.isBoolean() || option.negate) return copy;
  const form = formOf(option);
  const read = (text: string, known: readonly string[] = []): readonly string[] => {
    option.parseArg?.(text, undefined as never);
    return [...known, text];
  };
  return copy.argParser(withForm(read, { anyOf: [form, { type: "array", items: form }] }) as never);
}

/** Texts of options by their names; an option with more than one text is varied. */
type Texts = ReadonlyMap<string, readonly string[]>;

/**
 * The runs that flags ask for, and a file of runs where there is one.
 *
 * @param listed options by their names, for each run of a list
 */
export function runsOf(flags: object, listed: readonly Readonly<Record<string, string>>[]): PlannedRun[] {
  const options = pruning().options.filter((option) => !ours.has(option.attributeName()));
  const given = new Map(Object.entries(flags));
  const plain: string[] = [];
  const texts = new Map<string, readonly string[]>();
  for (const option of options) {
    const value: unknown = given.get(option.attributeName());
    if (Array.isArray(value) && several.has(option.attributeName()))
      plain.push(...(value as string[]).flatMap((text) => [option.long!, text]));
    else if (Array.isArray(value)) texts.set(option.attributeName(), [...new Set(value as string[])]);
    else if (option.isBoolean() ? value === true : option.negate && value === false) plain.push(option.long!);
  }
  const points = listed.flatMap((one) => combinations(new Map([...texts, ...asTexts(one)])));
  const unique = [...new Map(points.map((point) => [JSON.stringify(point), point])).values()];
  const varied = [...new Set(unique.flatMap(Object.keys))].filter(
    (name) => new Set(unique.map((point) => point[name])).size > 1,
  );
  return unique.map((point, i) => named(i, point, varied, plain, unique.length));
}

const asTexts = (one: Readonly<Record<string, string>>): [string, readonly string[]][] =>
  Object.entries(one).map(([name, text]) => [name, [text]]);

/** Every choice of one text of each option; the last option changes first. */
function combinations(texts: Texts): Record<string, string>[] {
  let all: Record<string, string>[] = [{}];
  for (const [name, each] of texts) all = all.flatMap((one) => each.map((text) => ({ ...one, [name]: text })));
  return all;
}

function named(
  index: number,
  point: Readonly<Record<string, string>>,
  varied: readonly string[],
  plain: readonly string[],
  count: number,
): PlannedRun {
  const own = varied.flatMap((name) => (point[name] === undefined ? [] : [[name, point[name]] as const]));
  const number = String(index + 1).padStart(String(count).length, "0");
  const words = own.map(([name, text]) => `${name}-${text.replaceAll(/[^\w.-]+/g, "")}`);
  return {
    name: [number, ...words].join("_").slice(0, 100),
    varied: Object.fromEntries(own),
    words: [...Object.entries(point).flatMap(([name, text]) => [flagOf(name), text]), ...plain],
  };
}

/**
 * The options of a run as prune reads them.
 *
 * @throws CommanderError for a value that is none
 */
export function flagsOfRun({ words }: Pick<PlannedRun, "words">): PruneFlags {
  const command = pruning();
  command.parse([...words], { from: "user" });
  return command.opts<PruneFlags>();
}

/**
 * Reads a file of runs: a list of objects of options, or one object whose lists are combined.
 *
 * @throws SecateurError `bad-option` naming what is no option or no value of one
 */
export async function readRuns(path: string): Promise<Record<string, string>[]> {
  let found: unknown;
  try {
    found = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) fail("bad-option", `${path} is not JSON: ${error.message}`, error);
    fail("io", `${path}: ${describeIo(error)}`, error);
  }
  if (Array.isArray(found)) {
    if (found.length === 0) fail("bad-option", `${path} lists no runs`);
    return found.map((one, i) => {
      const texts = textsOf(path, one, `run ${i + 1}`);
      const double = [...texts].find(([, each]) => each.length !== 1);
      if (double) fail("bad-option", `${path}: ${double[0]} of run ${i + 1} is a list; one run has one value of it`);
      return Object.fromEntries([...texts].map(([name, [text]]) => [name, text!]));
    });
  }
  return combinations(textsOf(path, found, "the grid"));
}

function textsOf(path: string, value: unknown, what: string): Map<string, readonly string[]> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    fail("bad-option", `${path}: ${what} must be an object of options, as { "macs": 0.5, "criterion": "taylor-fo" }`);
  const known = new Map(
    pruning()
      .options.filter((option) => !option.isBoolean() && !option.negate && !ours.has(option.attributeName()))
      .map((option) => [option.attributeName(), option]),
  );
  return new Map(
    Object.entries(value).map(([name, given]: [string, unknown]) => {
      const option = known.get(name);
      if (!option || several.has(name)) {
        const near = option ? undefined : nearest(name, [...known.keys()]);
        const meant = near === undefined ? "" : ` (did you mean "${near}"?)`;
        fail("bad-option", `${path}: a sweep cannot vary ${JSON.stringify(name)}${meant}`);
      }
      const all: unknown[] = Array.isArray(given) ? given : [given];
      return [name, all.map((one) => checked(path, name, option, one))];
    }),
  );
}

function checked(path: string, name: string, option: Option, value: unknown): string {
  if (typeof value !== "string" && typeof value !== "number")
    fail("bad-option", `${path}: ${name} is ${JSON.stringify(value)}; it must be a number or a text`);
  const text = String(value);
  try {
    option.parseArg?.(text, undefined as never);
  } catch (error) {
    fail("bad-option", `${path}: ${name} is ${JSON.stringify(value)}. ${(error as Error).message}`, error);
  }
  return text;
}
