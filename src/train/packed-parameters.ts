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

export interface PackOptions {
  /** Whether each is apart. */
  readonly isApart?: boolean;
  /** Up to so many elements a weight goes into a row; those of more are not copied for it. */
  readonly small?: number;
  /** Elements of a row at most. */
  readonly longest?: number;
}

/**
 * Names in rows: what the update treats alike, kernels and vectors apart, stands one after the other. Where the
 * optimiser looks at a weight as a whole, each is apart.
 */
export function packParameters(
  names: readonly string[],
  tensors: ReadonlyMap<string, Tensor>,
  { isApart = false, small = 2 ** 16, longest = Infinity }: PackOptions = {},
): PackedParameters[] {
  const rows: { name: string; shape: Shape }[][] = [];
  const open = new Map<string, { readonly members: { name: string; shape: Shape }[]; length: number }>();
  for (const name of names) {
    const { dtype, shape } = tensors.get(name)!;
    const size = sizeOf(shape);
    const kind = isApart || size > small ? `alone ${name}` : `${dtype} ${shape.length > 1}`;
    let row = open.get(kind);
    if (row === undefined || row.length + size > longest) {
      row = { members: [], length: 0 };
      open.set(kind, row);
      rows.push(row.members);
    }
    row.members.push({ name, shape });
    row.length += size;
  }
  return rows.map((members) => ({ name: members[0]!.name, members }));
}

/** The weight that an optimiser state, as `velocity/NAME`, belongs to. */
export const ownerOf = (state: string): string => state.slice(state.indexOf("/") + 1);

/**
 * The row that something carried belongs to, and how what is carried of a member is called: as the member, or as its
 * optimiser state, which is `velocity/NAME` where the row's is `velocity/ROW`.
 */
function packedByName(rows: readonly PackedParameters[]) {
  const byName = new Map(rows.map((row) => [row.name, row]));
  return (input: string) => {
    const own = byName.get(input);
    const row = own ?? byName.get(ownerOf(input))!;
    const state = own ? "" : input.slice(0, -row.name.length);
    return { row, of: (name: string) => state + name };
  };
}

/** Tensors in rows by the names of their members. */
export function unpackedAll(rows: readonly PackedParameters[], tensors: Readonly<Record<string, Tensor>>) {
  const packedOf = packedByName(rows);
  const all = Object.entries(tensors).flatMap(([input, value]) => {
    const { row, of } = packedOf(input);
    return unpacked(row, value).map(([name, one]) => [of(name), one] as const);
  });
  return Object.fromEntries(all);
}

/** What a row, or its optimiser state, begins with: what is known of its members, else what is fresh. */
export function packedStart(
  rows: readonly PackedParameters[],
  input: string,
  fresh: Tensor,
  known: ReadonlyMap<string, Tensor>,
): Tensor {
  const { row, of } = packedByName(rows)(input);
  return known.has(of(row.members[0]!.name)) ? packed(row, (name) => known.get(of(name))!) : fresh;
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
