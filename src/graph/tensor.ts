/** Tensors as they stand in a graph: an element type, a shape and a flat array in row-major order. */

import { fail } from "./error.ts";

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
  int4: Int8Array,
  uint4: Uint8Array,
  int2: Int8Array,
  uint2: Uint8Array,
  float8e4m3fn: Uint8Array,
  float8e4m3fnuz: Uint8Array,
  float8e5m2: Uint8Array,
  float8e5m2fnuz: Uint8Array,
  float8e8m0: Uint8Array,
  float4e2m1: Uint8Array,
} as const;

/** Element types of less than a byte, and their bits; in memory every element has a byte of its own. */
const packed: Readonly<Record<string, number>> = { int4: 4, uint4: 4, float4e2m1: 4, int2: 2, uint2: 2 };

/** Element types of numbers; floats of 16 bits and fewer are held as their bits. */
export type NumericDType = keyof typeof arrays;
export type DType = NumericDType | "string";
export type TypedArray =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;
export type Shape = readonly number[];

/** `data` holds the product of `shape` elements, the last axis varying fastest. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TypedArray | readonly string[];
}

/** Axes that a value may have. */
export const maxRank = 64;

export const dtypes = [...Object.keys(arrays), "string"] as readonly DType[];

export function arrayType(dtype: NumericDType): (typeof arrays)[NumericDType] {
  return arrays[dtype];
}

export function isFloat(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float16" || dtype === "float64" || dtype === "bfloat16";
}

/** Whether the elements of a tensor are held as the bits of floats, and are no numbers to compute with. */
export const holdsBits = (dtype: DType): boolean =>
  dtype === "float16" || dtype === "bfloat16" || dtype.startsWith("float8") || dtype.startsWith("float4");

/** The bits of an element in a file. */
export function bitsPerElement(dtype: DType): number {
  return dtype === "string" ? 0 : (packed[dtype] ?? 8 * arrays[dtype].BYTES_PER_ELEMENT);
}

export const bytesPerElement = (dtype: DType): number => bitsPerElement(dtype) / 8;

/** The number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const dim of shape) size *= dim;
  return size;
}

/** The bits of the short floats of which all are set in NaN and infinities. */
const exponents = { float16: 0x7c00, bfloat16: 0x7f80 } as const;

/** How many elements are NaN or infinite. */
export function countNotFinite({ dtype, data }: Tensor): number {
  let count = 0;
  if (dtype === "float16" || dtype === "bfloat16") {
    const all = exponents[dtype];
    for (const bits of data as Uint16Array) if ((bits & all) === all) count++;
  } else if (isFloat(dtype)) for (const element of data as Float32Array) if (!Number.isFinite(element)) count++;
  return count;
}

/** A tensor of zeros. */
export function zeros(dtype: NumericDType, shape: Shape): Tensor {
  return { dtype, shape, data: new arrays[dtype](sizeOf(shape)) };
}

export function tensor(dtype: NumericDType, shape: Shape, values: Iterable<number>): Tensor {
  const data =
    dtype === "int64"
      ? BigInt64Array.from(Array.from(values, BigInt))
      : dtype === "uint64"
        ? BigUint64Array.from(Array.from(values, BigInt))
        : new (arrays[dtype] as Float32ArrayConstructor)(values);
  if (data.length !== sizeOf(shape))
    fail("internal", `a tensor of shape [${shape.join(", ")}] was given ${data.length} values`);
  return { dtype, shape, data };
}

export function float32(shape: Shape, values: Iterable<number>): Tensor {
  return tensor("float32", shape, values);
}

/** A one-dimensional int64 tensor, the form in which ONNX wants axes, sizes and pads. */
export function int64s(values: readonly number[]): Tensor {
  return tensor("int64", [values.length], values);
}

/** The elements as plain numbers. Integers beyond 2^53 lose precision; `Infinity` never arises. */
export function toNumbers(value: Tensor): number[] {
  if (value.dtype === "string") fail("bad-model", "a tensor of strings stands where numbers are needed");
  return Array.from(value.data as TypedArray as ArrayLike<number | bigint>, Number);
}

/**
 * A tensor whose elements are made when somebody asks for them, and again the next time: what is larger than memory can
 * be worked on piece by piece. The elements must be the same every time.
 */
export function lazyTensor(dtype: NumericDType, shape: Shape, make: () => TypedArray): Tensor {
  const tensor = {
    dtype,
    shape,
    get data(): TypedArray {
      if (recent?.tensor !== tensor) recent = { tensor, data: make() };
      return recent.data;
    },
  };
  lazy.add(tensor);
  return tensor;
}

/** The one that was asked for last, so that element after element does not make all of them each time. */
let recent: { readonly tensor: object; readonly data: TypedArray } | undefined;

const lazy = new WeakSet<Tensor>();

/** Whether the elements of a tensor are made when asked for. */
export const isLazy = (value: Tensor): boolean => lazy.has(value);

/** The bytes that the elements take in a file, without making them; 0 for strings. */
export const byteLength = ({ dtype, shape }: Pick<Tensor, "dtype" | "shape">): number =>
  Math.ceil(sizeOf(shape) * bytesPerElement(dtype));

/** Bytes of the elements in memory, little-endian, without a copy. */
export function bytesOf(value: Tensor): Uint8Array {
  const data = value.data as TypedArray;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * The tensor with only the given indices of one axis kept, in the given order.
 * A new tensor; any element type.
 */
export function take(value: Tensor, axis: number, indices: readonly number[]): Tensor {
  const { shape } = value;
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  const dim = shape[axis] ?? fail("internal", `axis ${axis} of a tensor of rank ${shape.length}`);
  const kept = shape.with(axis, indices.length);
  if (value.dtype === "string") {
    const source = value.data as readonly string[];
    const data: string[] = [];
    for (let o = 0; o < outer; o++)
      for (const i of indices)
        for (let at = (o * dim + i) * inner; at < (o * dim + i + 1) * inner; at++) data.push(source[at]!);
    return { dtype: "string", shape: kept, data };
  }
  const source = value.data as Float32Array;
  const data = new (arrays[value.dtype] as Float32ArrayConstructor)(sizeOf(kept));
  let at = 0;
  // Neighbours that stay are copied at once: calls cost more than elements.
  const runs = runsOf(indices);
  for (let o = 0; o < outer; o++) {
    for (const { from, count } of runs) {
      const start = (o * dim + from) * inner;
      const length = count * inner;
      if (length < 32) for (let k = 0; k < length; k++) data[at + k] = source[start + k]!;
      else data.set(source.subarray(start, start + length), at);
      at += length;
    }
  }
  return { dtype: value.dtype, shape: kept, data };
}

/** Indices as runs of ascending neighbours. */
function runsOf(indices: readonly number[]): { from: number; count: number }[] {
  const runs: { from: number; count: number }[] = [];
  for (const index of indices) {
    const last = runs.at(-1);
    if (last && last.from + last.count === index) last.count++;
    else runs.push({ from: index, count: 1 });
  }
  return runs;
}
