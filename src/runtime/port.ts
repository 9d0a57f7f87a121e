/** The port behind which graphs run: bytes become a session, tensors become tensors. */

import type { Tensor } from "../graph/tensor.ts";

export type Tensors = Readonly<Record<string, Tensor>>;

/** A loaded model. It holds memory outside JavaScript's: dispose of it. */
export interface Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /**
   * Runs the model once.
   *
   * @param feeds a tensor for each input
   * @param into tensors to write outputs to, where that saves an allocation; a runtime may ignore them, so use what is returned
   */
  run(feeds: Tensors, into?: Tensors): Promise<Record<string, Tensor>>;
  dispose(): Promise<void>;
}

/** A model file, and the files beside it that its weights lie in, by the names that it gives them. */
export interface ModelFiles {
  readonly bytes: Uint8Array;
  readonly external: readonly { readonly path: string; readonly data: Uint8Array }[];
}

export interface LoadOptions {
  /** Threads within an operator; default: all cores. */
  readonly threads?: number;
}

export interface Runtime {
  readonly name: string;
  /** @throws SecateurError `bad-model` with the runtime's own message where it does not load. */
  load(model: Uint8Array | ModelFiles, options?: LoadOptions): Promise<Session>;
}
