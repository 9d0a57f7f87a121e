/**
 * Small weights that are learned as one row: an operator and a message for each would cost more than their elements.
 */

import { sizeOf, zeros, type NumericDType, type Shape, type Tensor, type TypedArray } from "../graph/tensor.ts";

/** Weights of one kind that are updated together, or one alone. */
export interface PackedParameters {
  /** The first member's. */
  readonly name: string;
  readonly members: readonly { readonly name: string; readonly shape: Shape }[];
}

/** Up to so many elements a weight goes into a row; those of more are not copied for it. */
const small = 2 ** 16;

/**
 * Names in rows: what the update treats alike, kernels and vectors apart, stands one after the other. Where the
 * optimiser looks at a weight as a whole, each is apart.
 */
export function packParameters(
  names: readonly string[],
  tensors: ReadonlyMap<string, Tensor>,
  { isApart = false } = {},
): PackedParameters[] {
  const rows = new Map<string, { name: string; shape: Shape }[]>();
  for (const name of names) {
    const { dtype, shape } = tensors.get(name)!;
    const kind = isApart || sizeOf(shape) > small ? `alone ${name}` : `${dtype} ${shape.length > 1}`;
    const members = rows.get(kind) ?? [];
    members.push({ name, shape });
    rows.set(kind, members);
  }
  return [...rows.values()].map((members) => ({ name: members[0]!.name, members }));
}

/** The tensors of a row as one; that of one alone as it is. Its rank is above 1 where theirs is. */
export function packed({ members }: PackedParameters, tensorOf: (name: string) => Tensor): Tensor {
  const tensors = members.map(({ name }) => tensorOf(name));
  const [first] = tensors as [Tensor];
  if (tensors.length === 1) return first;
  const length = members.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const row = zeros(first.dtype as NumericDType, first.shape.length > 1 ? [1, length] : [length]);
  let at = 0;
  for (const { data } of tensors) {
    (row.data as Float32Array).set(data as Float32Array, at);
    at += data.length;
  }
  return row;
}

/** The tensors of a row by the names of its members: views of it. */
export function unpacked({ members }: PackedParameters, { dtype, data }: Tensor): [name: string, tensor: Tensor][] {
  let at = 0;
  return members.map(({ name, shape }) => {
    const from = at;
    at += sizeOf(shape);
    return [name, { dtype, shape, data: (data as TypedArray).subarray(from, at) }];
  });
}
