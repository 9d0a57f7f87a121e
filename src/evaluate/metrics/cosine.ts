/** The mean cosine between what a model gives and what it should. */

import { defineMetric } from "./metric.ts";
import { classesAlong, outputOf, requireAlike, targetOrOriginal, type Classes } from "./taken.ts";

export const cosine = defineMetric<"cosine">({
  name: "cosine",
  title: "cosine",
  better: "higher",
  share: false,
  summary: "how nearly embeddings point where they should: 1 for the same direction, -1 for the opposite",
  equation: "the mean over vectors of y · t / (|y| |t|), along the last axis; 0 for a vector of zeros",
  takes: "vectors with a target in the same shape, or with the original's output where the data has no targets",
  source: "torch.nn.CosineSimilarity",
  start({ axis = -1, target: name }, { output: of }) {
    let [sum, all] = [0, 0];
    return {
      add(batch) {
        const output = outputOf("cosine", batch, of);
        const target = targetOrOriginal("cosine", batch, of, { target: name });
        requireAlike("cosine", of, output, target);
        const along = axis < 0 ? axis + output.shape.length : axis;
        const [a, b] = [classesAlong(output, along), classesAlong(target, along)];
        for (let place = 0; place < a.places; place++) sum += cosineAt(a, b, place);
        all += a.places;
      },
      result: () => sum / all,
    };
  },
});

/** The cosine between two vectors; 0 where one has no direction. */
export function cosineAt(a: Classes, b: Classes, place: number): number {
  let [product, p, q] = [0, 0, 0];
  for (let i = 0; i < a.classes; i++) {
    const [x, y] = [a.at(place, i), b.at(place, i)];
    product += x * y;
    p += x * x;
    q += y * y;
  }
  return p === 0 || q === 0 ? 0 : product / Math.sqrt(p * q);
}
