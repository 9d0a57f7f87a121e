/** Statistics, of simple-statistics where it has them. */

export {
  mean,
  median,
  sampleCorrelation as pearson,
  sampleRankCorrelation as spearman,
  sampleStandardDeviation as deviation,
} from "simple-statistics";

/**
 * Kendall's tau-b: (concordant - discordant) / √((pairs - ties in x)(pairs - ties in y)) (Kendall 1945). simple-statistics has none.
 *
 * @param {ArrayLike<number>} x
 * @param {ArrayLike<number>} y
 */
export function kendall(x, y) {
  let [difference, inX, inY] = [0, 0, 0];
  for (let i = 0; i < x.length; i++)
    for (let j = 0; j < i; j++) {
      const [a, b] = [Math.sign(x[i] - x[j]), Math.sign(y[i] - y[j])];
      difference += a * b;
      inX += a * a;
      inY += b * b;
    }
  return difference / Math.sqrt(inX * inY);
}
