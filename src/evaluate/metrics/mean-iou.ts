/** Mean intersection over union, of classes of pixels or of masks. */

import { countMasks, takes } from "./masks.ts";
import { defineMetric } from "./metric.ts";

export const meanIou = defineMetric<"mean-iou">({
  name: "mean-iou",
  title: "mean IoU",
  better: "higher",
  share: true,
  summary: "the pixels that both the model and the target have over those that either has, class by class",
  equation: "the mean over classes of |found and there| / |found or there|, pixels of all samples together",
  takes,
  source: "Everingham et al. 2010, The Pascal Visual Object Classes challenge; sklearn.metrics.jaccard_score, macro",
  start: (settings, looked) =>
    countMasks("mean-iou", settings, looked, ({ both, said, there }) => both / (said + there - both)),
});
