/** All metrics by name that count for themselves. */

import type { CountedName } from "../../options/metric.ts";
import { cosine } from "./cosine.ts";
import { dice } from "./dice.ts";
import { f1 } from "./f1.ts";
import { map } from "./map.ts";
import { meanIou } from "./mean-iou.ts";
import type { MetricDefinition } from "./metric.ts";
import { perplexity } from "./perplexity.ts";
import { psnr } from "./psnr.ts";
import { tokenAccuracy } from "./token-accuracy.ts";

export const metrics: readonly MetricDefinition[] = [tokenAccuracy, perplexity, meanIou, dice, psnr, f1, map, cosine];

const byName = new Map(metrics.map((metric) => [metric.name, metric]));

export const metricNamed = (name: CountedName): MetricDefinition => byName.get(name)!;
