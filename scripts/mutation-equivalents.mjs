/** Mutants that change nothing that a test could see, each with the reason. */

/** @type {readonly { name: string, kind?: string, from?: string, to?: string, line?: RegExp, reason: string }[]} */
const known = [];

/** The reason why a mutant is equivalent; `undefined` where none is known. */
export function equivalent(mutant) {
  return known.find(
    (one) =>
      one.name === mutant.name &&
      (one.kind === undefined || one.kind === mutant.kind) &&
      (one.from === undefined || mutant.from.trim() === one.from) &&
      (one.to === undefined || mutant.to.trim() === one.to),
  )?.reason;
}
