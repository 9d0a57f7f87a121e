export interface Base {
  readonly name: string;
  readonly bytes: Uint8Array;
}
export interface Bases {
  readonly networks: readonly Base[];
  readonly operators: readonly Base[];
}
export function baseModels(lib: object): Bases;
