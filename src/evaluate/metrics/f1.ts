/** F1: precision and recall in one, class by class. */

import { defineMetric } from "./metric.ts";
import { toNumbers, type Tensor } from "../../graph/tensor.ts";
import { sameShape } from "../../ops/emitter.ts";
import { classesAlong, classIds, isWhole, largestAt, outputOf, refuseShapes, targetOf, yesFrom } from "./taken.ts";

const takes =
  "scores [N, C] with class ids int64 [N], where the largest score is the answer; or yes and no for each of K " +
  "labels, [N, K] with 0 and 1 in the same shape. A yes is from 0.5 on where the output ends in a Sigmoid, else " +
  "from 0 on";

export const f1 = defineMetric<"f1">({
  name: "f1",
  title: "f1",
  better: "higher",
  share: true,
  summary: "the harmonic mean of precision and recall, with every class counted alike, however rare it is",
  equation:
    "the mean of 2 right / (said + there), over classes that are said by the model or there in the targets; of yes " +
    "and no over all labels, 0 where a label is neither",
  takes,
  source: 'sklearn.metrics.f1_score, average "macro"; for one label of yes and no "binary"',
  start({ target: name }, looked) {
    const counts = new Map<number, { right: number; all: number }>();
    const count = (c: number, said: boolean, there: boolean): void => {
      const own = counts.get(c) ?? { right: 0, all: 0 };
      counts.set(c, { right: own.right + Number(said && there), all: own.all + Number(said) + Number(there) });
    };
    const ofClasses = (output: Tensor, target: Tensor): void => {
      const scores = classesAlong(output, 1);
      classIds("f1", target, scores.classes).forEach((id, n) => {
        const guess = largestAt(scores, n);
        count(guess, true, guess === id);
        if (guess !== id) count(id, false, true);
      });
    };
    const ofLabels = ({ shape, data }: Tensor, target: Tensor): void => {
      const [from, labels] = [yesFrom(looked), shape[1]!];
      toNumbers(target).forEach((wanted, i) => count(i % labels, Number(data[i]) >= from, wanted >= 0.5));
    };
    return {
      add(batch) {
        const output = outputOf("f1", batch, looked.output);
        const target = targetOf("f1", batch, looked.output, { target: name });
        const { shape } = output;
        const isFlat = shape.length >= 2 && shape.slice(2).every((dim) => dim === 1);
        if (isFlat && sameShape(shape, target.shape)) ofLabels(output, target);
        else if (isFlat && isWhole(target) && sameShape([shape[0]!], target.shape)) ofClasses(output, target);
        else refuseShapes("f1", takes, looked.output, output, target);
      },
      result() {
        const each = [...counts.values()].map(({ right, all }) => (all === 0 ? 0 : (2 * right) / all));
        return each.reduce((sum, value) => sum + value, 0) / each.length;
      },
    };
  },
});
