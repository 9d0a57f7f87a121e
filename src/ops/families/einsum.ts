/** Products and sums that an equation of letters states. */

import { fail } from "../../graph/error.ts";
import { sizeOf, tensor } from "../../graph/tensor.ts";
import { defineOp, given, string, type Value } from "../core/define.ts";
import type { Emit } from "../core/emit.ts";

interface Equation {
  /** The letters of the axes of each operand. */
  readonly terms: readonly string[];
  readonly result: string;
  readonly size: ReadonlyMap<string, number>;
}

const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** The equation with a letter for every axis that an ellipsis stands for, and with its result where it is left out. */
function parse(equation: string, operands: readonly Value[]): Equation {
  const [left = "", right] = equation.replaceAll(/\s/g, "").split("->");
  const stated = left.split(",");
  if (stated.length !== operands.length)
    fail("bad-model", `equation "${equation}" has ${stated.length} terms for ${operands.length} operands`);
  const unused = [...alphabet].filter((letter) => !equation.includes(letter));
  const hidden = operands.map(({ shape }, i) =>
    stated[i]!.includes("...") ? shape.length - (stated[i]!.length - "...".length) : 0,
  );
  const ranks = new Set(hidden.filter((_, i) => stated[i]!.includes("...")));
  if (ranks.size > 1) fail("unsupported", `the ellipses of equation "${equation}" stand for different numbers of axes`);
  const all = unused.slice(0, Math.max(0, ...ranks)).join("");
  const terms = stated.map((term) => term.replace("...", all));
  const size = new Map<string, number>();
  terms.forEach((term, i) => {
    const { shape } = operands[i]!;
    if (term.length !== shape.length || !/^[a-zA-Z]*$/.test(term))
      fail("bad-model", `the term "${stated[i]}" of equation "${equation}" does not fit [${shape.join(", ")}]`);
    [...term].forEach((letter, axis) => {
      const known = size.get(letter) ?? shape[axis]!;
      if (known !== shape[axis] && (known === 1 || shape[axis] === 1))
        fail("unsupported", `an axis of equation "${equation}" is broadcast from size 1`);
      if (known !== shape[axis])
        fail("bad-model", `"${letter}" of equation "${equation}" is ${known} and ${shape[axis]}`);
      size.set(letter, known);
    });
  });
  const once = [...size.keys()].filter((letter) => terms.join("").split(letter).length === 2 && !all.includes(letter));
  const result = right === undefined ? all + once.toSorted().join("") : right.replace("...", all);
  return { terms, result, size };
}

const distinct = (term: string): string => [...new Set(term)].join("");

/** Σ over all letters that are not of the result; numbers without axes multiply what the equation gives. */
function product(g: Emit, operands: readonly (readonly [Value, string])[], result: string): Value {
  const wide = operands.filter(([, term]) => term !== "");
  const flat = operands.flatMap(([value, term]) => (term === "" ? [value] : []));
  const equation = `${wide.map(([, term]) => term).join(",")}->${result}`;
  const first = wide.length > 0 ? [g.Einsum(...wide.map(([value]) => value), { equation })] : [];
  return [...first, ...flat].reduce((a, b) => g.Mul(a, b));
}

/** https://onnx.ai/onnx/operators/onnx__Einsum.html — Y = Σ Π of the operands over the letters that Y lacks */
export const Einsum = defineOp({
  name: "Einsum",
  since: 12,
  inputs: ["Inputs..."],
  outputs: ["Output"],
  attributes: { equation: string("") },
  shape({ Inputs }, { equation }) {
    const { result, size } = parse(equation, Inputs);
    return [...result].map(
      (letter) => size.get(letter) ?? fail("bad-model", `equation "${equation}" makes "${letter}" of nothing`),
    );
  },
  // dXₖ = Σ dY Π of the others, over the letters that Xₖ lacks; constant along what only Xₖ
  // has, zero off a diagonal that it reads
  gradient(g, dy, { Inputs }, { equation }) {
    const { terms, result, size } = parse(equation, Inputs);
    return {
      Inputs: Inputs.map((x, k) => () => {
        const term = terms[k]!;
        const others = Inputs.flatMap((other, i) => (i === k ? [] : [[other, terms[i]!] as const]));
        const known = result + others.map(([, letters]) => letters).join("");
        const own = [...distinct(term)].filter((letter) => known.includes(letter)).join("");
        const first = [...term].map((letter, axis) =>
          term.indexOf(letter) === axis && own.includes(letter) ? size.get(letter)! : 1,
        );
        const along = g.reshaped(product(g, [[dy, result], ...others], own), first);
        return [...term].reduce((value, letter, axis) => {
          const before = term.indexOf(letter);
          if (before === axis) return value;
          const shape = x.shape.map((dim, i) => (i === before || i === axis ? dim : 1));
          return g.Mul(value, g.constant(identity(size.get(letter)!, shape)));
        }, along);
      }),
    };
  },
  // A letter is one axis wherever it stands. One that is summed over counts zeros as nothing.
  channels(c, { Inputs }, [Y], { equation }) {
    const { terms, result, size } = parse(equation, Inputs);
    for (const letter of size.keys())
      c.same(
        ...[...terms, result].flatMap((term, i) =>
          [...term].flatMap((other, axis) => (other === letter ? [c.axis(Inputs[i] ?? Y!, axis)] : [])),
        ),
      );
  },
  zero: "any",
  wholeGroupRemoval: () => "zero",
  macs({ Inputs }, _outputs, { equation }) {
    if (Inputs.length < 2) return 0;
    return sizeOf([...parse(equation, Inputs).size.values()]);
  },
  samples: [
    { inputs: given([2, 3, 4], [2, 4, 5]), attributes: { equation: "bij,bjk->bik" } },
    { inputs: given([2, 3, 2, 4], [2, 5, 2, 4]), attributes: { equation: "bqhd, bkhd -> bhqk" } },
    { inputs: given([3, 4], [5, 4]), attributes: { equation: "zj,aj" } },
    { inputs: [[2, 3, 4]], attributes: { equation: "ijk->kj" } },
    { inputs: [[3, 4]], attributes: { equation: "ij->" } },
    { inputs: [[4], [4]], attributes: { equation: "i,i->" } },
    { inputs: given([2, 3, 4, 5], [5, 2]), attributes: { equation: "...j,jk->...k" } },
    { inputs: given([2, 3, 4], [2, 3, 4]), attributes: { equation: "...i,...i" } },
    { inputs: given([2, 3], [3, 4], [2, 4]), attributes: { equation: "bi,ij,bj->b" } },
    { inputs: [[2, 3], [4]], attributes: { equation: "ab,c->a" } },
    { inputs: [[3, 2, 3]], attributes: { equation: "iji->ij" } },
  ],
});

/** Ones where the two long axes of a shape have the same index. */
function identity(size: number, shape: readonly number[]) {
  return tensor(
    "float32",
    shape,
    Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0)),
  );
}
