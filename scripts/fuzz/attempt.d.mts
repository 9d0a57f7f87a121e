/** What became of a model: `failure` where that is no answer to give. */
export interface Outcome {
  readonly code: string;
  readonly message?: string;
  readonly encoded?: Uint8Array;
}
export function attempt(lib: object, bytes: Uint8Array, asFile: boolean): Promise<Outcome>;
