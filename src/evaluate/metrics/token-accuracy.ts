/** Token accuracy: the share of tokens, or places, whose class is right. */

import { defineMetric } from "./metric.ts";
import { largestAt } from "./taken.ts";
import { meanOfTokens, rightTokens, takes } from "./tokens.ts";

export const tokenAccuracy = defineMetric<"token-accuracy">({
  name: "token-accuracy",
  title: "token accuracy",
  better: "higher",
  share: true,
  summary: "the share of tokens, pixels or steps whose class is right",
  equation: "the mean, over all places that count, of [argmax y = t]",
  takes,
  source: "torchmetrics.classification.MulticlassAccuracy, average micro",
  start(settings, looked) {
    let [right, all] = [0, 0];
    return {
      add(batch) {
        const { scores, each } = rightTokens("token-accuracy", settings, looked, batch);
        each((place, id) => {
          all++;
          if (largestAt(scores, place) === id) right++;
        });
      },
      result: () => meanOfTokens("token-accuracy", right, all),
    };
  },
});
