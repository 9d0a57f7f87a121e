/** Dice's coefficient, of classes of pixels or of masks. */

import { countMasks, takes } from "./masks.ts";
import { defineMetric } from "./metric.ts";

export const dice = defineMetric<"dice">({
  name: "dice",
  title: "Dice",
  better: "higher",
  share: true,
  summary: "twice the pixels that both have over the sum of both areas, class by class, as is usual for medical images",
  equation: "the mean over classes of 2 |found and there| / (|found| + |there|), pixels of all samples together",
  takes,
  source: "Dice 1945, Measures of the amount of ecologic association between species",
  start: (settings, looked) =>
    countMasks("dice", settings, looked, ({ both, said, there }) => (2 * both) / (said + there)),
});
