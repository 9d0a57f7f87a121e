/** Counts, before a message is read, what it will take in memory: two bytes of a file can ask for hundreds. */

import { ScalarType, type DescField, type DescMessage } from "@bufbuild/protobuf";

/** Bytes of an object with its empty lists, and of what is made of it. */
const ofMessage = 600;
/** Bytes of an element of a list: numbers stand in it, 64-bit integers and texts beside it. */
const ofNumber = 8;
const ofObject = 32;

const wide = new Set<ScalarType>([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.SINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
  ScalarType.STRING,
  ScalarType.BYTES,
]);

const sizes: Readonly<Partial<Record<ScalarType, number>>> = {
  [ScalarType.FLOAT]: 4,
  [ScalarType.FIXED32]: 4,
  [ScalarType.SFIXED32]: 4,
  [ScalarType.DOUBLE]: 8,
  [ScalarType.FIXED64]: 8,
  [ScalarType.SFIXED64]: 8,
};

const fieldsOf = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

function fieldOf(schema: DescMessage, number: number): DescField | undefined {
  const known = fieldsOf.get(schema) ?? new Map(schema.fields.map((field) => [field.number, field]));
  fieldsOf.set(schema, known);
  return known.get(number);
}

const messageOf = (field: DescField): DescMessage | undefined =>
  field.fieldKind === "message" || (field.fieldKind === "list" && field.listKind === "message")
    ? field.message
    : undefined;

/**
 * About how many bytes of memory a message takes. What cannot be read is left to who reads it.
 *
 * @param depth how deep messages in messages are followed
 */
export function weigh(bytes: Uint8Array, schema: DescMessage, depth: number): number {
  let at = 0;
  let total = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; at < bytes.length; shift += 7) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  const elements = (scalar: ScalarType, from: number, to: number): number => {
    const size = sizes[scalar];
    if (size !== undefined) return (to - from) / size;
    let count = 0;
    for (let i = from; i < to; i++) if (bytes[i]! < 0x80) count++;
    return count;
  };
  const list = (field: DescField, end: number): void => {
    if (field.fieldKind !== "list" || field.listKind === "message") return;
    const scalar = field.listKind === "scalar" ? field.scalar : ScalarType.INT32;
    const isPacked = scalar !== ScalarType.STRING && scalar !== ScalarType.BYTES;
    total += (isPacked ? elements(scalar, at, end) : 1) * (wide.has(scalar) ? ofObject : ofNumber);
  };
  const walk = (own: DescMessage, to: number, left: number): boolean => {
    while (at < to) {
      const tag = varint();
      const field = fieldOf(own, Math.floor(tag / 8));
      const type = tag % 8;
      if (type === 0 || type === 1 || type === 5) {
        if (type === 0) varint();
        else at += type === 1 ? 8 : 4;
        if (field?.fieldKind === "list") total += ofObject;
        continue;
      }
      if (type !== 2) return false;
      const length = varint();
      const end = at + length;
      if (end > to) return false;
      const inner = field && messageOf(field);
      if (inner) {
        total += ofMessage;
        if (left > 0 && !walk(inner, end, left - 1)) return false;
      } else if (field) list(field, end);
      at = end;
    }
    return true;
  };
  walk(schema, bytes.length, depth);
  return total;
}
