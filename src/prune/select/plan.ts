/**
 * The plan file: which units of which groups are to be removed; the scores that it can be made of, and what is left.
 */

import { fail } from "../../graph/error.ts";
import type { Analysis } from "../coupling/analysis.ts";
import type { Removal } from "../coupling/removal.ts";

/** `{"remove": {"<group>": [units]}}`, one group a line. */
export const formatPlan = (removal: Removal): string => format("remove", removal);

/** `{"kept": {"<group>": [units]}}`, one group a line. */
export const formatKept = (kept: KeptUnits): string => format("kept", kept);

function format(what: string, units: ReadonlyMap<string, readonly number[]>): string {
  const lines = [...units].map(([name, list]) => `    ${JSON.stringify(name)}: [${list.join(", ")}]`);
  return `{\n  "${what}": {\n${lines.join(",\n")}\n  }\n}\n`;
}

/**
 * Reads a plan. Whether its groups and units exist is seen when it meets a model.
 *
 * @throws SecateurError `bad-plan` that says what is wrong where
 */
export function parsePlan(text: string): Map<string, readonly number[]> {
  const plan = parsed(text);
  const remove = isRecord(plan) ? plan["remove"] : undefined;
  if (!isRecord(remove)) fail("bad-plan", 'the plan must be {"remove": {"<group>": [unit, ...]}}');
  return unitsIn(remove);
}

/**
 * Reads what is left of every group: a plan, or `kept.json` of a run.
 *
 * @throws SecateurError `bad-plan` that says what is wrong where
 */
export function parseLeft(text: string): { readonly kept: KeptUnits } | { readonly removal: Removal } {
  const plan = parsed(text);
  const kept = isRecord(plan) ? plan["kept"] : undefined;
  return isRecord(kept) ? { kept: unitsIn(kept) } : { removal: parsePlan(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return fail("bad-plan", `the plan is not JSON: ${(error as Error).message}`, error);
  }
}

function unitsIn(groups: Readonly<Record<string, unknown>>): Map<string, readonly number[]> {
  return new Map(
    Object.entries(groups).map(([name, units]) => {
      if (!Array.isArray(units)) fail("bad-plan", `group "${name}" of the plan must be a list of units`);
      const wrong = units.find((unit) => !Number.isInteger(unit) || unit < 0);
      if (wrong !== undefined)
        fail("bad-plan", `group "${name}" of the plan names ${JSON.stringify(wrong)}, which is no unit`);
      return [name, units as number[]];
    }),
  );
}

/**
 * Reads importances as `secateur score --json` writes them. Whether they are of a
 * model's groups is seen when they meet it.
 *
 * @throws SecateurError `bad-plan` that says what is wrong where
 */
export function parseScores(text: string): Map<string, Float64Array> {
  let scores: unknown;
  try {
    scores = JSON.parse(text);
  } catch (error) {
    fail(
      "bad-plan",
      `the scores are not JSON, as secateur score --json writes them: ${(error as Error).message}`,
      error,
    );
  }
  const groups = isRecord(scores) ? scores["groups"] : undefined;
  if (!isRecord(groups)) fail("bad-plan", 'the scores must be {"groups": {"<group>": [importance, ...]}}');
  return new Map(
    Object.entries(groups).map(([name, values]) => {
      if (!Array.isArray(values)) fail("bad-plan", `group "${name}" of the scores must be a list of importances`);
      const wrong = values.findIndex((value) => typeof value !== "number");
      if (wrong >= 0)
        fail(
          "bad-plan",
          `unit ${wrong} of group "${name}" of the scores is ${JSON.stringify(values[wrong])}, which is no number`,
        );
      return [name, Float64Array.from(values as number[])];
    }),
  );
}

/**
 * The units of each group that are left, in the numbering of the start: unit i of a group is
 * now what unit `kept.get(group)[i]` was.
 */
export type KeptUnits = ReadonlyMap<string, readonly number[]>;

/** What is left of every group; of one that went as a whole, nothing. */
export function keptAfter(analysis: Pick<Analysis, "groups">, removal: Removal): KeptUnits {
  return new Map(
    analysis.groups.map(({ name, units }) => {
      const gone = new Set(removal.get(name));
      return [name, Array.from(units.keys()).filter((unit) => !gone.has(unit))];
    }),
  );
}

/**
 * The units that are not left.
 *
 * @throws SecateurError `bad-plan` for groups that the model does not have, or others besides
 */
export function removalOf({ groups }: Pick<Analysis, "groups">, kept: KeptUnits): Removal {
  const other =
    [...kept.keys()].find((name) => !groups.some((group) => group.name === name)) ??
    groups.find(({ name }) => !kept.has(name))?.name;
  if (other !== undefined) fail("bad-plan", `the units that are left are of another model: "${other}" is in one only`);
  return new Map(
    groups.flatMap(({ name, units }) => {
      const left = new Set(kept.get(name));
      const gone = Array.from(units.keys()).filter((unit) => !left.has(unit));
      return gone.length > 0 ? [[name, gone] as const] : [];
    }),
  );
}

const isRecord = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null && !Array.isArray(x);

/** Removals one after the other, each in the numbering of before it, as one in the numbering of the start. */
export function composed({ groups }: Pick<Analysis, "groups">, removals: readonly Removal[]): Map<string, number[]> {
  const left = new Map(groups.map(({ name, units }) => [name, units.map((_, unit) => unit)]));
  const gone = new Map<string, number[]>();
  for (const removal of removals)
    for (const [name, units] of removal) {
      const own = left.get(name) ?? fail("bad-plan", `group "${name}" of a removal is none of the model`);
      const taken = new Set(units);
      gone.set(name, [...(gone.get(name) ?? []), ...own.filter((_, i) => taken.has(i))]);
      left.set(
        name,
        own.filter((_, i) => !taken.has(i)),
      );
    }
  return new Map([...gone].map(([name, units]) => [name, units.toSorted((a, b) => a - b)]));
}
