/** What the file format and the graph name differently: element types, and whole numbers beyond 2^53. */

import { TensorProto_DataType as Code, TensorProto_DataTypeSchema } from "./schema/onnx_pb.ts";
import { fail } from "../graph/error.ts";
import { maxRank, type DType } from "../graph/tensor.ts";

const codes: Readonly<Record<DType, Code>> = {
  float32: Code.FLOAT,
  float64: Code.DOUBLE,
  float16: Code.FLOAT16,
  bfloat16: Code.BFLOAT16,
  int8: Code.INT8,
  uint8: Code.UINT8,
  int16: Code.INT16,
  uint16: Code.UINT16,
  int32: Code.INT32,
  uint32: Code.UINT32,
  int64: Code.INT64,
  uint64: Code.UINT64,
  bool: Code.BOOL,
  int4: Code.INT4,
  uint4: Code.UINT4,
  int2: Code.INT2,
  uint2: Code.UINT2,
  float8e4m3fn: Code.FLOAT8E4M3FN,
  float8e4m3fnuz: Code.FLOAT8E4M3FNUZ,
  float8e5m2: Code.FLOAT8E5M2,
  float8e5m2fnuz: Code.FLOAT8E5M2FNUZ,
  float8e8m0: Code.FLOAT8E8M0,
  float4e2m1: Code.FLOAT4E2M1,
  string: Code.STRING,
};

const known = new Map<number, DType>(Object.entries(codes).map(([dtype, code]) => [code, dtype as DType]));

/** The ONNX code of an element type. */
export function codeOf(dtype: DType): number {
  return codes[dtype];
}

/** The element type of an ONNX code, where it is one that is held here. */
export const knownDtypeOf = (code: number): DType | undefined => known.get(code);

/** The element type of an ONNX code; `what` names the value or tensor in the refusal of one that is not held here. */
export function dtypeOf(code: number, what: string): DType {
  const dtype = known.get(code);
  if (dtype !== undefined) return dtype;
  if (code === Code.UNDEFINED) fail("bad-model", `${what} has no element type; export the model again`);
  const name = TensorProto_DataTypeSchema.values.find(({ number }) => number === code)?.name ?? `number ${code}`;
  fail("unsupported", `${what} is of element type ${name}; supported are ${Object.keys(codes).join(", ")}`);
}

/** Refuses more axes than a value may have, before they are listed anywhere. */
export function checkRank(rank: number, what: string): void {
  if (rank > maxRank) fail("unsupported", `${what} has ${rank} axes; more than ${maxRank} are not supported`);
}

const int64Max = 2n ** 63n - 1n;
const int64Min = -(2n ** 63n);

/**
 * A whole number of an attribute as a JS number. From 2^53 on it is ±`Number.MAX_SAFE_INTEGER`: such numbers
 * stand for "to the end" (INT64_MAX in `ends` of Slice), never for a count.
 */
export function toInt(value: bigint): number {
  if (value >= BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
  if (value <= BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER;
  return Number(value);
}

/** The reverse of {@link toInt}: ±`Number.MAX_SAFE_INTEGER` is written as INT64_MAX and INT64_MIN. */
export function toInt64(value: number, what: string): bigint {
  if (value === Number.MAX_SAFE_INTEGER) return int64Max;
  if (value === Number.MIN_SAFE_INTEGER) return int64Min;
  if (!Number.isSafeInteger(value)) fail("bad-model", `${what} is ${value}, which is no whole number below 2^53`);
  return BigInt(value);
}

/** The standard's domain is the empty one, and has a name besides. */
export const normalDomain = (domain: string): string => (domain === "ai.onnx" ? "" : domain);

/** How deep the bodies of If, Loop and Scan may be nested. */
export const maxNesting = 64;
