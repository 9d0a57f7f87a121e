import type { Bases } from "./models.mjs";

export interface Mutant {
  readonly base: string;
  readonly kind: "bytes" | "structure" | "both";
  readonly bytes: Uint8Array;
}
export function mutantOf(bases: Bases, seed: number, number: number): Mutant;
