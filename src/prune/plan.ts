/** The plan file: which units of which groups are to be removed. */

import { fail } from "../graph/error.ts";
import type { Groups, Removal } from "./groups.ts";

/** `{"remove": {"<group>": [units]}}`, one group a line. */
export function formatPlan(removal: Removal): string {
  const lines = [...removal].map(([name, units]) => `    ${JSON.stringify(name)}: [${units.join(", ")}]`);
  return `{\n  "remove": {\n${lines.join(",\n")}\n  }\n}\n`;
}

/**
 * Reads a plan. Whether its groups and units exist is seen when it meets a model.
 *
 * @throws SecateurError `bad-plan` that says what is wrong where
 */
export function parsePlan(text: string): Map<string, readonly number[]> {
  let plan: unknown;
  try {
    plan = JSON.parse(text);
  } catch (error) {
    fail("bad-plan", `the plan is not JSON: ${(error as Error).message}`, error);
  }
  const remove = isRecord(plan) ? plan["remove"] : undefined;
  if (!isRecord(remove)) fail("bad-plan", 'the plan must be {"remove": {"<group>": [unit, ...]}}');
  return new Map(
    Object.entries(remove).map(([name, units]) => {
      if (!Array.isArray(units)) fail("bad-plan", `group "${name}" of the plan must be a list of units`);
      const wrong = units.find((unit) => !Number.isInteger(unit) || unit < 0);
      if (wrong !== undefined)
        fail("bad-plan", `group "${name}" of the plan names ${JSON.stringify(wrong)}, which is no unit`);
      return [name, units as number[]];
    }),
  );
}

const isRecord = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null && !Array.isArray(x);

/** Removals one after the other, each in the numbering of before it, as one in the numbering of the start. */
export function composed({ groups }: Pick<Groups, "groups">, removals: readonly Removal[]): Map<string, number[]> {
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
