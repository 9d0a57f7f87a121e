/** Batches as other people's code gives them, checked and brought into our form. */

import { fail } from "../graph/error.ts";
import type { DType, NumericDType, Tensor, TypedArray } from "../graph/tensor.ts";
import { arrayType, dtypes, sizeOf, toNumbers } from "../graph/tensor.ts";
import type { Batch } from "./batches.ts";
import { checkFinite } from "./checks.ts";
import { classIds } from "./targets.ts";

/**
 * A batch out of `{ inputs, target }`, `{ inputs, targets }`, or `{ inputs }` where there are no labels. `inputs` is a
 * tensor or a record of tensors by input name; a tensor is `{ dtype | type, shape | dims, data }`. `target` is a tensor
 * of integers, which become int64, of which [N] are class ids; or float32 whose first axis is N; or a list of class
 * ids. `targets` is a record of such. The numbers are copied, so the giver may use its buffers again. Fails with
 * `bad-data` or `not-finite`, in a message that starts with `where`.
 */
export function readBatch(value: unknown, where: string): Batch {
  if (!isRecord(value)) fail("bad-data", `${where}: ${kindOf(value)} instead of { inputs, target }`);
  if (value["inputs"] === undefined)
    fail("bad-data", `${where}: no inputs; a batch is { inputs, target }, or { inputs } without labels`);
  const problems: string[] = [];
  const inputs = readInputs(value.inputs, problems);
  const target = value["target"] === undefined ? undefined : readTarget(value["target"], "the target", problems);
  const targets = value["targets"] === undefined ? undefined : readTargets(value["targets"], problems);
  const [first] = Object.values(inputs);
  if (problems.length > 0 || first === undefined) fail("bad-data", prefix(where, problems));
  const [named] = Object.entries(targets ?? {});
  const what = target ? "the target" : named ? nameTarget(named[0]) : "the first input";
  const { shape: whole } = target ?? named?.[1] ?? first;
  const size = whole[0] ?? 0;
  if (size === 0) problems.push(`no samples; the first axis of ${what} is ${whole.length === 0 ? "missing" : 0}`);
  const others = [
    ...Object.entries(inputs).map(([name, one]) => [nameInput(name), one] as const),
    ...Object.entries(targets ?? {}).map(([name, one]) => [nameTarget(name), one] as const),
  ];
  for (const [name, { shape }] of others)
    if (shape[0] !== size)
      problems.push(`${name} has shape [${shape.join(", ")}] and ${what} [${whole.join(", ")}]; the first axes differ`);
  if (problems.length > 0) fail("bad-data", prefix(where, problems));
  const batch: Batch = { inputs, size, ...(target && { target }), ...(targets && { targets }) };
  checkFinite(batch, where);
  return batch;
}

function prefix(where: string, problems: readonly string[]): string {
  return problems.map((problem) => `${where}: ${problem}`).join("\n");
}

function nameInput(name: string): string {
  return name === "" ? "the input" : `input "${name}"`;
}

const nameTarget = (name: string): string => `the target "${name}"`;

function readTargets(value: unknown, problems: string[]): Record<string, Tensor> | undefined {
  if (isTensorLike(value) || !isRecord(value) || Object.keys(value).length === 0) {
    const what = isTensorLike(value) ? "a tensor" : isRecord(value) ? "an empty record" : kindOf(value);
    problems.push(`targets is ${what}; expected a record of tensors by name; a single one is given as target`);
    return undefined;
  }
  const read = Object.entries(value).map(([name, one]) => [name, readTarget(one, nameTarget(name), problems)] as const);
  return Object.fromEntries(read.flatMap(([name, one]) => (one ? [[name, one] as const] : [])));
}

function readInputs(value: unknown, problems: string[]): Record<string, Tensor> {
  const entries = isTensorLike(value) ? [["", value] as const] : isRecord(value) ? Object.entries(value) : [];
  if (entries.length === 0)
    problems.push(
      `inputs is ${isRecord(value) ? "an empty record" : kindOf(value)}; expected a tensor or a record of tensors`,
    );
  const inputs: Record<string, Tensor> = {};
  for (const [name, entry] of entries) {
    const tensor = readTensor(entry, nameInput(name), problems);
    if (tensor) inputs[name] = tensor;
  }
  return inputs;
}

function readTarget(value: unknown, what: string, problems: string[]): Tensor | undefined {
  if (Array.isArray(value)) return readIds([value.length], value, what, problems);
  const tensor = readTensor(value, what, problems);
  if (!tensor) return undefined;
  const { dtype, shape, data } = tensor;
  if (dtype !== "float32" && !integers.has(dtype)) {
    problems.push(`${what} is ${dtype}; expected class ids of an integer type, or float32`);
    return undefined;
  }
  if (shape.length === 0) {
    problems.push(`${what} is a scalar; its first axis must count the samples`);
    return undefined;
  }
  if (dtype === "float32") return tensor;
  // Of places, one may stand for nothing: -100 and the like.
  if (shape.length > 1) return { ...classIds(toNumbers(tensor)), shape };
  return readIds(shape, data as ArrayLike<unknown>, what, problems);
}

const integers: ReadonlySet<DType> = new Set<DType>([
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
]);

function readIds(
  shape: readonly number[],
  values: ArrayLike<unknown>,
  what: string,
  problems: string[],
): Tensor | undefined {
  const data = new BigInt64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const id = typeof value === "bigint" ? value : Number.isSafeInteger(value) ? BigInt(value as number) : undefined;
    if (id === undefined || id < 0n || id > BigInt(Number.MAX_SAFE_INTEGER)) {
      problems.push(`${what} holds ${String(value)} at sample ${i}; a class id is a whole number from 0 on`);
      return undefined;
    }
    data[i] = id;
  }
  return { dtype: "int64", shape, data };
}

function readTensor(value: unknown, what: string, problems: string[]): Tensor | undefined {
  if (!isTensorLike(value)) {
    problems.push(`${what} is ${kindOf(value)}; expected { dtype, shape, data }`);
    return undefined;
  }
  const dtype = value.dtype ?? value.type;
  const shape = value.shape ?? value.dims;
  if (!isDType(dtype)) {
    problems.push(`${what} has dtype ${String(dtype)}; expected one of ${dtypes.join(", ")}`);
    return undefined;
  }
  if (!isShape(shape)) {
    problems.push(`${what} has shape ${Array.isArray(shape) ? `[${shape.join(", ")}]` : String(shape)}`);
    return undefined;
  }
  if (value.data.length !== sizeOf(shape)) {
    problems.push(`${what} has ${value.data.length} elements; its shape [${shape.join(", ")}] needs ${sizeOf(shape)}`);
    return undefined;
  }
  const data = dtype === "string" ? readStrings(value.data) : readNumbers(dtype, value.data);
  if (typeof data === "string") {
    problems.push(`${what} is ${dtype}, but ${data}`);
    return undefined;
  }
  return { dtype, shape: [...shape], data };
}

function readStrings(data: ArrayLike<unknown>): readonly string[] | string {
  const wrong = Array.from(data).findIndex((value) => typeof value !== "string");
  return wrong < 0 ? (Array.from(data) as string[]) : `element ${wrong} is ${String(data[wrong])}`;
}

/**
 * A copy as the array that `dtype` is held in, or what is wrong. A plain list may
 * stand for any type but the 16-bit floats.
 */
function readNumbers(dtype: NumericDType, data: ArrayLike<unknown>): TypedArray | string {
  const type = arrayType(dtype);
  if (data instanceof type) return data.slice();
  if (!Array.isArray(data)) return `its data is a ${data.constructor.name}, not a ${type.name}`;
  if (dtype === "float16" || dtype === "bfloat16") return "its data is a list, not a Uint16Array of bits";
  const result = new type(data.length);
  for (let i = 0; i < data.length; i++) {
    const value: unknown = data[i];
    const number = typeof value === "boolean" ? Number(value) : value;
    if (typeof number !== "number" && typeof number !== "bigint") return `element ${i} is ${kindOf(value)}`;
    if (result instanceof BigInt64Array || result instanceof BigUint64Array) {
      if (typeof number === "number" && !Number.isSafeInteger(number)) return `element ${i} is ${number}`;
      result[i] = BigInt(number);
      if (result[i] !== BigInt(number)) return `element ${i} is ${number}`;
    } else {
      result[i] = Number(number);
      if (!(dtype === "float32" || dtype === "float64") && result[i] !== Number(number))
        return `element ${i} is ${number}`;
    }
  }
  return result;
}

interface TensorLike {
  readonly dtype?: unknown;
  readonly type?: unknown;
  readonly shape?: unknown;
  readonly dims?: unknown;
  readonly data: ArrayLike<unknown>;
}

// An input may be called "data"; its tensor is neither a list nor a typed array.
function isTensorLike(value: unknown): value is TensorLike {
  return (
    isRecord(value) &&
    (Array.isArray(value.data) || (ArrayBuffer.isView(value.data) && !(value.data instanceof DataView)))
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function isDType(value: unknown): value is DType {
  return dtypes.includes(value as DType);
}

function isShape(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((dim) => Number.isSafeInteger(dim) && dim >= 0);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? `a ${value.constructor?.name ?? "object"}` : `${typeof value} ${String(value)}`;
}
