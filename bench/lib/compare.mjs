/** Whether two sides computed the same. */

import { readResults } from "./arrays.mjs";

/** |a - b| / |b| of two lists of arrays, each as one vector. */
function distance(a, b) {
  let [difference, norm] = [0, 0];
  for (const [k, x] of a.entries()) {
    const y = b[k];
    if (x.length !== y.length) return Infinity;
    for (let i = 0; i < x.length; i++) {
      difference += (x[i] - y[i]) ** 2;
      norm += y[i] ** 2;
    }
  }
  return Math.sqrt(difference / norm);
}

/** Gate gradients G[N, units] of the groups that have one gate; the peer names them by the convolution before each BatchNormalization. */
export function compareGates(ours, theirs) {
  const known = readResults(theirs);
  let [error, compared] = [0, 0];
  for (const [name, values] of readResults(ours)) {
    if (!known.has(name)) continue;
    error = Math.max(error, distance([values], [known.get(name)]));
    compared++;
  }
  return { what: "gate gradients", error, compared };
}

/** All arrays that both sides know, as one vector. */
function compareAll(what, ours, theirs) {
  const known = readResults(theirs);
  const own = readResults(ours);
  const names = [...known.keys()].filter((name) => own.has(name));
  const of = (side) => names.map((name) => side.get(name));
  return { what, error: distance(of(own), of(known)), compared: names.length };
}

/** What one optimiser step changed: single biases before a normalisation have gradients of pure rounding, which are lost in one vector. */
export const compareUpdates = (ours, theirs) => compareAll("updates", ours, theirs);

/** Importances by group. Those of the most important units stand for all here: how the least are ranked, {@link overlap} tells. */
export const compareImportances = (ours, theirs) => compareAll("importances", ours, theirs);

/** What a network puts out for the batch. */
export const compareLogits = (ours, theirs) => compareAll("logits", ours, theirs);

/** The share of one list that is in the other too. */
export function overlap(ours, theirs) {
  const known = new Set(theirs);
  return ours.filter((one) => known.has(one)).length / ours.length;
}
