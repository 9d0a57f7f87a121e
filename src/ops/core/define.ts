/** Makes an operator, as engines see it, of what is written of it: see facets.ts for what that is. */

import type { Attribute } from "../../graph/graph.ts";
import type { Shape } from "../../graph/tensor.ts";
import { toAttribute, type Specs } from "./attributes.ts";
import type { ByName, ByPosition, Facts, Rules } from "./facets.ts";
import type { Sample, Value } from "./facts.ts";

export type { Pullback, Remaining, Resized, Sample, Value, Zero } from "./facts.ts";
export { float, floats, int, ints, string, strings, tensorAttribute, toAttribute, type Values } from "./attributes.ts";

/** An operator as it is written. A wrong name of an input or attribute in a rule is a compile error. */
export interface OpSpec<I extends readonly string[], A extends Specs> extends Facts, Rules<ByName<I, A>> {
  /** `"B?"` may be left out, `"inputs..."` is a list. */
  readonly inputs: I;
  readonly attributes?: A;
}

/** An operator as engines see it: its rules over inputs by position. What the operator does not say is absent. */
export interface Op extends Facts, Rules<ByPosition> {
  readonly domain: string;
  /** The name, behind the domain where it is not the standard's: `com.microsoft.FusedConv`. */
  readonly key: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Specs;
  readonly dtype: NonNullable<Rules<ByPosition>["dtype"]>;
}

declare const marker: unique symbol;
/** The place of the inputs among a rule's arguments. */
type InputsAt<Rule, Before extends readonly unknown[] = []> = Rule extends (...all: infer All) => unknown
  ? InputsAt<All>
  : Rule extends [infer First, ...infer Rest]
    ? First extends typeof marker
      ? Before["length"]
      : InputsAt<Rest, [...Before, unknown]>
    : never;
type Marked = Rules<Omit<ByPosition, "inputs"> & { readonly inputs: typeof marker }>;
type RuleName = Exclude<keyof Marked, "quantisedBy">;

/** Every rule, and which of its arguments are the inputs: all that it takes to turn those from positions to names. */
const inputsAt: { readonly [R in RuleName]: InputsAt<NonNullable<Marked[R]>> } = {
  shape: 0,
  dtype: 0,
  gradient: 2,
  channels: 1,
  zero: 0,
  maskInside: 0,
  gate: 2,
  dequantised: 0,
  resize: 1,
  wholeGroupRemoval: 1,
  macs: 0,
  fold: 0,
  decompose: 1,
  blocked: 1,
  singleThreaded: 1,
  deviceFallback: 1,
  unrounded: 1,
};

const bare = (name: string): string => name.replace(/\?$|\.\.\.$/, "");
const isList = (name: string): boolean => name.endsWith("...");

/** The rules over inputs by position. What they answer is still by name. */
function overPositions<I extends readonly string[], A extends Specs>(spec: OpSpec<I, A>) {
  const names = spec.inputs.map((name) => ({ name: bare(name), list: isList(name) }));
  const named = (values: ByPosition["inputs"]): Record<string, unknown> => {
    const result: Record<string, unknown> = {};
    names.forEach(({ name, list }, i) => {
      result[name] = list ? values.slice(i).filter((value) => value !== undefined) : values[i];
    });
    return result;
  };
  const rules: Record<string, unknown> = {};
  for (const [name, at] of Object.entries(inputsAt)) {
    const rule = spec[name as RuleName] as unknown;
    if (typeof rule === "function")
      rules[name] = (...all: unknown[]): unknown => rule(...all.with(at, named(all[at] as ByPosition["inputs"])));
  }
  return { ...spec, ...rules } as Facts & Rules<Omit<ByName<I, A>, keyof Asked> & Asked>;
}

type Asked = Pick<ByPosition, "inputs" | "attributes">;

/** Attribute values of a node as plain values, defaults filled in; those unknown to the operator are left out. */
export function plainAttributes(
  op: Pick<Op, "attributes">,
  attributes: Readonly<Record<string, Attribute>>,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(op.attributes)) result[name] = attributes[name]?.value ?? spec.default;
  return result;
}

/** Makes an operator of what is written of it. */
export function defineOp<const I extends readonly string[], const A extends Specs = Record<never, never>>(
  spec: OpSpec<I, A>,
): Op {
  const { domain = "", outputs = ["Y"], inputs, view = false, carries = view } = spec;
  const attributes: Specs = spec.attributes ?? {};
  const names = inputs.map(bare);
  const { shape, dtype, gradient, zero, quantisedBy, resize, ...rules } = overPositions(spec);
  return {
    ...rules,
    domain,
    key: domain === "" ? spec.name : `${domain}.${spec.name}`,
    inputs,
    outputs,
    attributes,
    carries,
    shape(values, plain, count) {
      const shapes = shape(values, plain, count);
      const list = Array.isArray(shapes[0]) ? (shapes as readonly Shape[]) : [shapes as Shape];
      return list.slice(0, count);
    },
    dtype(values, plain, count) {
      const dtypes = dtype?.(values, plain, count) ?? values.find((value) => value !== undefined)?.dtype ?? "float32";
      return typeof dtypes === "string" ? Array.from({ length: count }, () => dtypes) : dtypes.slice(0, count);
    },
    ...(gradient && {
      gradient:
        typeof gradient === "string"
          ? gradient
          : (...all) => {
              const thunks = gradient(...all) as Readonly<Record<string, Thunk | readonly Thunk[] | undefined>>;
              return names.flatMap((name, i) => (isList(inputs[i]!) ? (thunks[name] ?? []) : [thunks[name] as Thunk]));
            },
    }),
    ...(zero && { zero: typeof zero === "string" ? () => zero : zero }),
    ...(quantisedBy && { quantisedBy: quantisedBy.map((name) => names.indexOf(name)) }),
    ...(resize && {
      resize(...all) {
        const resized = resize(...all);
        const stored = Object.entries(resized.attributes ?? {}).map(([name, value]) => [
          name,
          toAttribute(attributes[name]!.kind, value),
        ]);
        const changed = names.flatMap((name, i) => {
          const value = resized.inputs?.[name];
          return value ? [[i, value] as const] : [];
        });
        return { attributes: Object.fromEntries(stored), inputs: new Map(changed) };
      },
    }),
  };
}

type Thunk = () => Value;

/** The inputs of a sample: a call stays on one line, where a list of lists does not. */
export const given = (...inputs: Sample["inputs"]): Sample["inputs"] => inputs;
