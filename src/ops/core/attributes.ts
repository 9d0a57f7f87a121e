/** Attributes as an operator states them: how each is stored, and its default. */

import type { Attribute } from "../../graph/graph.ts";
import type { Tensor } from "../../graph/tensor.ts";

export type AttributeKind = "int" | "float" | "string" | "ints" | "floats" | "strings" | "tensor" | "graph";

/** How an attribute is stored, and its default. */
export interface AttributeSpec<T> {
  readonly kind: AttributeKind;
  readonly default: T;
}

export const int = <T extends number | undefined = undefined>(
  value?: T,
): AttributeSpec<T extends number ? number : number | undefined> => ({
  kind: "int",
  default: value as never,
});
export const float = <T extends number | undefined = undefined>(
  value?: T,
): AttributeSpec<T extends number ? number : number | undefined> => ({
  kind: "float",
  default: value as never,
});
export const string = <T extends string | undefined = undefined>(
  value?: T,
): AttributeSpec<T extends string ? string : string | undefined> => ({
  kind: "string",
  default: value as never,
});
export const ints = (): AttributeSpec<readonly number[] | undefined> => ({
  kind: "ints",
  default: undefined,
});
export const floats = (): AttributeSpec<readonly number[] | undefined> => ({
  kind: "floats",
  default: undefined,
});
export const strings = (): AttributeSpec<readonly string[] | undefined> => ({
  kind: "strings",
  default: undefined,
});
export const tensorAttribute = (): AttributeSpec<Tensor | undefined> => ({
  kind: "tensor",
  default: undefined,
});

export type Specs = Readonly<Record<string, AttributeSpec<unknown>>>;
/** Attribute values by name, defaults filled in. */
export type Values<A extends Specs> = {
  readonly [K in keyof A]: A[K] extends AttributeSpec<infer T> ? T : never;
};

/** Stores a plain value as the attribute its specification says. */
export function toAttribute(kind: AttributeKind, value: unknown): Attribute {
  return { type: kind, value } as Attribute;
}
