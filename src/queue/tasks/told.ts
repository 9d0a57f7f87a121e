/** What work tells, as text that it is read from again: with Maps, arrays of numbers, and numbers without a bound. */

/** What JSON has no word for stands under one key. */
type Marked = { readonly map: [unknown, unknown][] } | { readonly floats: unknown[] } | { readonly number: string };
const mark = "$";

/** Plain data with Maps and Float64Arrays as JSON, every number as it was. */
export const encodeTold = (value: unknown): string => JSON.stringify(encoded(value));

function encoded(value: unknown): unknown {
  const marked = (one: Marked) => ({ [mark]: one });
  if (typeof value === "number") return Number.isFinite(value) ? value : marked({ number: String(value) });
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(encoded);
  if (value instanceof Map) return marked({ map: [...value].map(([key, one]) => [encoded(key), encoded(one)]) });
  if (ArrayBuffer.isView(value)) return marked({ floats: Array.from(value as Float64Array, encoded) });
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, encoded(one)]));
}

/** What {@link encodeTold} was given. */
export const decodeTold = (text: string): unknown => decoded(JSON.parse(text));

function decoded(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(decoded);
  const marked = (value as Readonly<Record<string, unknown>>)[mark] as Partial<Record<string, unknown>> | undefined;
  if (Array.isArray(marked?.["map"]))
    return new Map((marked["map"] as [unknown, unknown][]).map(([key, one]) => [decoded(key), decoded(one)]));
  if (Array.isArray(marked?.["floats"])) return Float64Array.from(marked["floats"].map(decoded) as number[]);
  if (typeof marked?.["number"] === "string") return Number(marked["number"]);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, decoded(one)]));
}
