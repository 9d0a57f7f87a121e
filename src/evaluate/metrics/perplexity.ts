/** Perplexity: among how many tokens a model that guesses would be as unsure. */

import { defineMetric, type Looked } from "./metric.ts";
import type { Classes } from "./taken.ts";
import { meanOfTokens, rightTokens, takes } from "./tokens.ts";

export const perplexity = defineMetric<"perplexity">({
  name: "perplexity",
  title: "perplexity",
  better: "lower",
  share: false,
  summary: "e to the power of the mean cross-entropy of a token: that of a model that guesses among so many tokens",
  equation: "exp(the mean, over all places that count, of -log softmax(y) at t)",
  takes,
  source: "Jelinek et al. 1977, Perplexity: a measure of the difficulty of speech recognition tasks",
  start(settings, looked) {
    let [sum, all] = [0, 0];
    return {
      add(batch) {
        const { scores, each } = rightTokens("perplexity", settings, looked, batch);
        each((place, id) => {
          all++;
          sum += surprise(scores, place, id, looked);
        });
      },
      result: () => Math.exp(meanOfTokens("perplexity", sum, all)),
    };
  },
});

/** -log of the probability of a class at a place. */
function surprise({ classes, at }: Classes, place: number, id: number, { activation }: Looked): number {
  if (activation === "softmax") return -Math.log(Math.max(at(place, id), 1e-30));
  let largest = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < classes; c++) largest = Math.max(largest, at(place, c));
  let sum = 0;
  for (let c = 0; c < classes; c++) sum += Math.exp(at(place, c) - largest);
  return Math.log(sum) + largest - at(place, id);
}
