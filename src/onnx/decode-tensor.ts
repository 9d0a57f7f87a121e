/** Tensors of a model file, in every encoding the format has, as flat arrays. */

import { TensorProto_DataLocation, type SparseTensorProto, type TensorProto } from "./schema/onnx_pb.ts";
import { fail } from "../graph/error.ts";
import {
  arrayType,
  bitsPerElement,
  bytesPerElement,
  lazyTensor,
  sizeOf,
  type NumericDType,
  type Tensor,
  type TypedArray,
  zeros,
} from "../graph/tensor.ts";
import { checkRank, dtypeOf } from "./proto.ts";

/**
 * Fetches bytes that a model keeps beside its file. `location` is the path that the model gives, relative to its
 * folder and not checked; `length` counts bytes. What is returned must be that many bytes.
 */
export interface ExternalReader {
  (location: string, offset: number, length: number, tensorName: string): Uint8Array;
  /**
   * Fails where the bytes are not there. A reader that has it is asked for large tensors only
   * once they are needed, and maybe again.
   */
  readonly check?: (location: string, offset: number, length: number, tensorName: string) => void;
}

/** Tensors of fewer bytes are read with the model. */
const lazyAbove = 2 ** 20;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 bytes as a string; bytes that are none are refused, since they would not come back as they were. */
export function toText(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    fail("unsupported", `${what} holds bytes that are not UTF-8 text; binary strings are not supported`, cause);
  }
}

function shapeOf(proto: TensorProto, what: string): { shape: number[]; size: number } {
  checkRank(proto.dims.length, what);
  const shape = proto.dims.map((dim) => {
    if (dim < 0n) fail("bad-model", `${what} declares the negative size ${dim}; the file is damaged`);
    return Number(dim);
  });
  let size = shape.includes(0) ? 0 : 1;
  if (size > 0) for (const dim of shape) size *= dim;
  return { shape, size };
}

/** The typed field that elements stand in where there is no `raw_data`. */
function fieldOf(proto: TensorProto, dtype: NumericDType): readonly (number | bigint)[] {
  switch (dtype) {
    case "float32":
      return proto.floatData;
    case "float64":
      return proto.doubleData;
    case "int64":
      return proto.int64Data;
    case "uint32":
    case "uint64":
      return proto.uint64Data;
    default:
      return proto.int32Data;
  }
}

/**
 * The elements in a buffer of their own: a view of a file's bytes would keep all of them in memory, and
 * one that is not aligned there is none.
 */
function elements(dtype: NumericDType, size: number, bytes: Uint8Array, share: boolean): TypedArray {
  const bits = bitsPerElement(dtype);
  if (bits < 8) return unpack(dtype, bits, size, bytes);
  const own = bytes.byteLength === bytes.buffer.byteLength;
  const { buffer } = own ? bytes : copyOf(bytes, share ? SharedArrayBuffer : ArrayBuffer);
  return new (arrayType(dtype))(buffer as ArrayBuffer);
}

/** Elements of less than a byte, the first in the lowest bits, each in a byte of its own. */
function unpack(dtype: NumericDType, bits: number, size: number, bytes: Uint8Array): TypedArray {
  const data = new (arrayType(dtype))(size) as Uint8Array | Int8Array;
  const each = 8 / bits;
  const above = dtype.startsWith("int") ? 32 - bits : 0;
  for (let i = 0; i < size; i++) {
    const element = (bytes[Math.floor(i / each)]! >> ((i % each) * bits)) & (2 ** bits - 1);
    // Shifted up and down again, a sign fills what is above it.
    data[i] = (element << above) >> above;
  }
  return data;
}

function copyOf(bytes: Uint8Array, buffer: new (length: number) => ArrayBufferLike): Uint8Array {
  const copy = new Uint8Array(new buffer(bytes.byteLength));
  copy.set(bytes);
  return copy;
}

/** Where the elements of a tensor lie outside the model. */
function findExternal(proto: TensorProto, wanted: number, what: string): { location: string; offset: number } {
  const entries = new Map(proto.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get("location");
  if (!location) fail("bad-model", `${what} is kept outside the model, but the model does not say in which file`);
  const number = (key: string, otherwise: number): number => {
    const text = entries.get(key) ?? "";
    if (text === "") return otherwise;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) fail("bad-model", `${what} has the ${key} "${text}" in its external data`);
    return value;
  };
  const length = number("length", wanted);
  if (length !== wanted)
    fail("bad-model", `${what} needs ${wanted} bytes, but the model points to ${length} of them in "${location}"`);
  return { location, offset: number("offset", 0) };
}

function readExternal(
  proto: TensorProto,
  dtype: NumericDType,
  shape: readonly number[],
  wanted: number,
  what: string,
  read: ExternalReader | undefined,
): Tensor {
  const { location, offset } = findExternal(proto, wanted, what);
  if (!read)
    fail(
      "bad-model",
      `${what} is kept in "${location}" beside the model; read the model from its file, or pass \`external\``,
    );
  // The message would keep all of the model's bytes alive.
  const { name } = proto;
  const make = (): TypedArray => {
    const bytes = read(location, offset, wanted, name);
    if (bytes.length !== wanted)
      fail("bad-model", `${what} needs ${wanted} bytes, but "${location}" gave ${bytes.length}; is it the right file?`);
    return elements(dtype, sizeOf(shape), bytes, false);
  };
  if (read.check === undefined || wanted < lazyAbove) return { dtype, shape, data: make() };
  read.check(location, offset, wanted, name);
  return lazyTensor(dtype, shape, make);
}

export interface TensorOptions {
  /** Where tensors come from that the model keeps in files beside it; without it such a model is refused. */
  readonly external?: ExternalReader | undefined;
  /** Whether the elements of tensors lie where other threads read them too, in a SharedArrayBuffer; default not. */
  readonly share?: boolean | undefined;
}

/** The tensor of a file. The bytes are counted before anything of the declared size is made. */
export function decodeTensor(proto: TensorProto, what: string, { external, share = false }: TensorOptions): Tensor {
  const dtype = dtypeOf(proto.dataType, what);
  const { shape, size } = shapeOf(proto, what);
  if (proto.segment) fail("unsupported", `${what} is stored in segments; export the model again`);
  const isExternal = proto.dataLocation === TensorProto_DataLocation.EXTERNAL;
  const wrong = (found: string): never =>
    fail("bad-model", `${what} is ${dtype} of shape [${shape.join(", ")}], but holds ${found}; the file is damaged`);

  if (dtype === "string") {
    if (isExternal || proto.rawData.length > 0)
      fail("bad-model", `${what} holds strings as raw bytes; the file is damaged`);
    if (proto.stringData.length !== size) wrong(`${proto.stringData.length} strings`);
    return { dtype, shape, data: proto.stringData.map((bytes) => toText(bytes, what)) };
  }
  const wanted = Math.ceil(size * bytesPerElement(dtype));
  if (isExternal) {
    if (!Number.isSafeInteger(wanted)) wrong("less than that");
    return readExternal(proto, dtype, shape, wanted, what, external);
  }
  const field = fieldOf(proto, dtype);
  if (proto.rawData.length > 0 || field.length === 0) {
    if (proto.rawData.length !== wanted) wrong(`${proto.rawData.length} bytes`);
    return { dtype, shape, data: elements(dtype, size, proto.rawData, share) };
  }
  if (bitsPerElement(dtype) < 8) {
    // An element of the list holds a byte of them.
    if (field.length !== wanted) wrong(`${field.length} bytes`);
    return { dtype, shape, data: elements(dtype, size, Uint8Array.from(field, Number), share) };
  }
  if (field.length !== size) wrong(`${field.length} elements`);
  const values = dtype === "uint32" ? field.map(Number) : field;
  return {
    dtype,
    shape,
    data: (arrayType(dtype) as Float64ArrayConstructor).from(values as readonly number[]),
  };
}

/** Elements that a sparse tensor may have for each that is stored: a small file must not ask for endless memory. */
const mostZeros = 2 ** 10;

/** A sparse tensor as one with all its zeros. */
export function decodeSparse(proto: SparseTensorProto, what: string, options: TensorOptions): Tensor {
  if (!proto.values || !proto.indices) fail("bad-model", `${what} has no values or no indices; the file is damaged`);
  const values = decodeTensor(proto.values, `the values of ${what}`, options);
  const indices = decodeTensor(proto.indices, `the indices of ${what}`, options);
  checkRank(proto.dims.length, what);
  const shape = proto.dims.map(Number);
  const [size, count] = [sizeOf(shape), sizeOf(values.shape)];
  const wrong = (found: string): never => fail("bad-model", `${what} has ${found}; the file is damaged`);
  if (values.dtype === "string" || indices.dtype !== "int64") wrong("values or indices of another type");
  if (!(size <= mostZeros * Math.max(count, 2 ** 10)))
    fail("unsupported", `${what} has ${size} elements, and stores ${count}; store it as a dense tensor`);
  const linear = indices.shape.length === 1;
  if (!linear && (indices.shape.length !== 2 || indices.shape[1] !== shape.length)) wrong("indices of another rank");
  if (indices.shape[0] !== count) wrong(`${indices.shape[0]} indices for ${count} values`);
  const at = Array.from(indices.data as BigInt64Array, Number);
  const dense = zeros(values.dtype as NumericDType, shape);
  for (let i = 0; i < count; i++) {
    const place = linear
      ? at[i]!
      : shape.reduce((sum, dim, axis) => {
          const one = at[i * shape.length + axis]!;
          return one >= 0 && one < dim ? sum * dim + one : Number.NaN;
        }, 0);
    if (!(place >= 0 && place < size)) wrong(`the index ${place} beyond its end`);
    (dense.data as Float64Array)[place] = (values.data as Float64Array)[i]!;
  }
  return dense;
}
