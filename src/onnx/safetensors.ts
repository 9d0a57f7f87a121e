/** Named tensors as bytes: a header in JSON, then the data. https://huggingface.co/docs/safetensors */

import { fail } from "../graph/error.ts";
import { arrayType, sizeOf, type NumericDType, type Tensor, type TypedArray } from "../graph/tensor.ts";

const codes: Readonly<Partial<Record<NumericDType, string>>> = {
  float32: "F32",
  float64: "F64",
  float16: "F16",
  bfloat16: "BF16",
  int8: "I8",
  uint8: "U8",
  int16: "I16",
  uint16: "U16",
  int32: "I32",
  uint32: "U32",
  int64: "I64",
  uint64: "U64",
  bool: "BOOL",
};
const dtypes = new Map(Object.entries(codes).map(([dtype, code]) => [code, dtype as NumericDType]));

/** A header of more bytes is no header. */
const mostHeader = 100_000_000;

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The file in pieces. */
export function encodeSafetensors({ tensors, metadata }: Safetensors): Uint8Array[] {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    const { buffer, byteOffset, byteLength } = data as TypedArray;
    header[name] = { dtype: codes[dtype as NumericDType], shape, data_offsets: [at, at + byteLength] };
    chunks.push(new Uint8Array(buffer, byteOffset, byteLength));
    at += byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  // Spaces up to a multiple of 8: the data begins aligned.
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  return [length, padded, ...chunks];
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/**
 * @param name of the file, for errors
 * @throws SecateurError `bad-data` for bytes that are no such file, or not all of it
 */
export function decodeSafetensors(bytes: Uint8Array, name: string): Safetensors {
  const refuse = (reason: string): never => fail("bad-data", `${name} is no whole safetensors file: ${reason}`);
  if (bytes.length < 8) return refuse(`it has ${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > mostHeader || 8 + length > bytes.length) return refuse("its header ends behind its end");
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch {
    return refuse("its header is not JSON");
  }
  const { __metadata__: metadata = {}, ...entries } = header;
  const data = bytes.subarray(8 + length);
  const tensors = new Map(
    Object.entries(entries).map(([key, value]): [string, Tensor] => {
      const { dtype: code, shape, data_offsets: offsets } = value as Entry;
      const dtype = dtypes.get(code) ?? refuse(`"${key}" is ${String(code)}`);
      const whole = (values: unknown): values is number[] =>
        Array.isArray(values) && values.every((one) => Number.isSafeInteger(one) && one >= 0);
      if (!whole(shape) || !whole(offsets)) return refuse(`"${key}" has no shape or place`);
      const array = arrayType(dtype);
      const [from, to] = offsets as [number, number];
      if (to > data.length || to - from !== sizeOf(shape) * array.BYTES_PER_ELEMENT)
        return refuse(`"${key}" is [${shape.join(", ")}] at bytes ${from} to ${to} of ${data.length}`);
      // A copy: the bytes of a file lie anywhere.
      return [key, { dtype, shape, data: new array(new Uint8Array(data.subarray(from, to)).buffer) }];
    }),
  );
  return { tensors, metadata: metadata as Record<string, string> };
}
