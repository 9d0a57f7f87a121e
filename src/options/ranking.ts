/** Options that say what tells importance, and how units are compared by it. */

import { z } from "zod";
import type { DataCriterion, WeightCriterion } from "../criteria/criterion.ts";
import { criteria } from "../criteria/table.ts";
import { gatePlaces } from "../prune/gates/gate-places.ts";
import type { Limits } from "../prune/select/limits.ts";
import { normalisations, pers, scopes } from "../prune/select/ranking.ts";
import { count, countOrAuto, countOrNone, having, mapOf, share, type KindsOf } from "./kinds.ts";

export const criterionName = z.enum([...criteria.keys()]).describe("what tells importance; see secateur criteria");

const ofWeights = having<WeightCriterion>("a criterion with score()", "score");
/** What looks at weights alone. */
export const weightCriterion = z.union([criterionName, ofWeights]);
export const criterion = z.union([
  criterionName,
  having<DataCriterion>("a criterion with sample()", "sample"),
  ofWeights,
]);

export const gates = z.enum(gatePlaces).default("after-bn").describe("where importance is measured");
export const probes = countOrNone.describe("random directions for second derivatives; 0: exact");
export const batches = count.default(10).describe("minibatches to average over");

export const per = z.enum(pers).describe("what importance is counted per");
export const normalise = z.enum(normalisations).default("none").describe("what importances of a group are divided by");
export const scope = z.enum(scopes).describe("which units are compared");

export const keep = z.array(z.string()).describe("groups that stay whole, as 'layer4.*'; may be repeated");
export const minUnits = countOrNone.describe("units of each group that stay (default: 1); 0: groups may go");
export const ratios = mapOf<number>(
  "a Map from patterns of groups to shares from 0 to 1",
  (value) => share.safeParse(value).success,
);
export const roundTo = countOrAuto.describe("what widths are multiples of; auto: what suits the machine");

/** What has to stay. */
export const limits = {
  keep: keep.optional(),
  minUnits: minUnits.optional(),
  ratios: ratios.optional(),
} satisfies KindsOf<Limits>;

export const scores = mapOf<Float64Array>(
  "importances, as score gives them",
  (value) => ArrayBuffer.isView(value) || Array.isArray(value),
);
