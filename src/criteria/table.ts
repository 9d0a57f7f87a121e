/** All criteria by name. */

import { fail } from "../graph/error.ts";
import type { Criterion } from "./criterion.ts";
import { magnitude } from "./magnitude.ts";
import { random } from "./random.ts";
import { taylorFo } from "./taylor-fo.ts";
import { taylorFoFg } from "./taylor-fo-fg.ts";

export const criteria: ReadonlyMap<string, Criterion> = new Map(
  [taylorFo, taylorFoFg, magnitude, random].map((criterion) => [criterion.name, criterion]),
);

/** @throws SecateurError `bad-option` with the names there are. */
export function findCriterion(name: string): Criterion {
  return (
    criteria.get(name) ??
    fail("bad-option", `there is no criterion "${name}"; there are ${[...criteria.keys()].join(", ")}`)
  );
}
