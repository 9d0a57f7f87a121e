/** All criteria by name. */

import { fail } from "../graph/error.ts";
import { activationMean } from "./activation-mean.ts";
import { apoz } from "./apoz.ts";
import { bnScale } from "./bn-scale.ts";
import { bnTaylor } from "./bn-taylor.ts";
import type { Criterion } from "./criterion.ts";
import { fisherCost, fisherCostBytes } from "./fisher-cost.ts";
import { fpgm } from "./fpgm.ts";
import { magnitude, magnitudeL1 } from "./magnitude.ts";
import { obd } from "./obd.ts";
import { obdSquared } from "./obd-squared.ts";
import { oracle } from "./oracle.ts";
import { oracleCombinatorial } from "./oracle-combinatorial.ts";
import { random } from "./random.ts";
import { taylor2016 } from "./taylor-2016.ts";
import { taylorFo } from "./taylor-fo.ts";
import { taylorFoFg } from "./taylor-fo-fg.ts";
import { taylorFoVariance } from "./taylor-fo-variance.ts";
import { taylorFoWeight } from "./taylor-fo-weight.ts";
import { taylorFoWeightGroup } from "./taylor-fo-weight-group.ts";
import { taylorSo } from "./taylor-so.ts";
import { taylorSoDiag } from "./taylor-so-diag.ts";
import { taylorSoDiagPlus } from "./taylor-so-diag-plus.ts";
import { taylorSoPlus } from "./taylor-so-plus.ts";
import { wanda } from "./wanda.ts";

const all: readonly Criterion[] = [
  taylorFo,
  taylorFoFg,
  taylorFoVariance,
  taylorFoWeight,
  taylorFoWeightGroup,
  taylorSo,
  taylorSoPlus,
  taylorSoDiag,
  taylorSoDiagPlus,
  oracle,
  oracleCombinatorial,
  obd,
  obdSquared,
  fisherCost,
  fisherCostBytes,
  taylor2016,
  bnTaylor,
  bnScale,
  magnitude,
  magnitudeL1,
  fpgm,
  activationMean,
  apoz,
  wanda,
  random,
];

export const criteria: ReadonlyMap<string, Criterion> = new Map(all.map((criterion) => [criterion.name, criterion]));

/** @throws SecateurError `bad-option` with the names there are. */
export function findCriterion(name: string): Criterion {
  return (
    criteria.get(name) ??
    fail("bad-option", `there is no criterion "${name}"; there are ${[...criteria.keys()].join(", ")}`)
  );
}

/** A criterion of one's own, or the one of a name. */
export const criterionOf = (given: string | Criterion): Criterion =>
  typeof given === "string" ? findCriterion(given) : given;
