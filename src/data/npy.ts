/** The .npy format of NumPy: a magic number, a header that is a Python dictionary, then the elements. */

import { fail } from "../graph/error.ts";
import { arrayType, sizeOf, type NumericDType, type Tensor } from "../graph/tensor.ts";

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** By NumPy's kind and bytes per element. */
const dtypes: Readonly<Record<string, NumericDType>> = {
  b1: "bool",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  f2: "float16",
  f4: "float32",
  f8: "float64",
};

/**
 * Reads an array; the elements are a copy. Fails with `bad-data` on what is no .npy file or not a whole one, and on
 * arrays of objects, strings or records, in Fortran's order or of big-endian numbers. The error says how to save them
 * instead.
 */
export function parseNpy(bytes: Uint8Array, name: string): Tensor {
  if (bytes.length < 10 || magic.some((byte, i) => bytes[i] !== byte))
    fail("bad-data", `${name}: not a .npy file; it does not start with \\x93NUMPY`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const major = bytes[6]!;
  if (major < 1 || major > 3) fail("bad-data", `${name}: version ${major} of .npy; versions 1 to 3 are known`);
  const start = major === 1 ? 10 : 12;
  const length = major === 1 ? view.getUint16(8, true) : bytes.length < start ? Infinity : view.getUint32(8, true);
  if (start + length > bytes.length) fail("bad-data", `${name}: ends within its header`);
  const header = new TextDecoder().decode(bytes.subarray(start, start + length));
  const { dtype, shape } = parseHeader(header, name);
  const type = arrayType(dtype);
  const given = bytes.length - start - length;
  const wanted = sizeOf(shape) * type.BYTES_PER_ELEMENT;
  if (given !== wanted)
    fail("bad-data", `${name}: ${given} bytes of elements; ${dtype} [${shape.join(", ")}] needs ${wanted}`);
  // A copy whatever the bytes are: slices of a Buffer are none.
  const elements = new Uint8Array(bytes.subarray(start + length));
  return { dtype, shape, data: new type(elements.buffer) };
}

function parseHeader(header: string, name: string): { readonly dtype: NumericDType; readonly shape: number[] } {
  const [, order = "", kind = ""] = /'descr'\s*:\s*'([<>|=]?)(\w+)'/.exec(header) ?? [];
  const [, fortran] = /'fortran_order'\s*:\s*(True|False)/.exec(header) ?? [];
  const [, sizes] = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(header) ?? [];
  if (kind === "O") fail("bad-data", `${name}: holds pickled Python objects, which are never read; save it as numbers`);
  const dtype = Object.hasOwn(dtypes, kind) ? dtypes[kind] : undefined;
  if (dtype === undefined || fortran === undefined || sizes === undefined)
    fail(
      "bad-data",
      `${name}: an array of ${header.trim().slice(0, 80)}; expected one of ${Object.keys(dtypes).join(", ")}`,
    );
  if (order === ">") fail("bad-data", `${name}: big-endian numbers; save it with .astype("<${kind}")`);
  const shape = sizes.split(",").flatMap((size) => (size.trim() === "" ? [] : [Number(size)]));
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(sizeOf(shape)))
    fail("bad-data", `${name}: the shape (${sizes}) is too large`);
  if (fortran === "True" && shape.length > 1)
    fail("bad-data", `${name}: in Fortran's order; save it with numpy.ascontiguousarray(...)`);
  return { dtype, shape };
}
