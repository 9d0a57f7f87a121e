/** The one error that a user's input can cause: a sentence that says what is wrong and what to do. */

export type ErrorCode =
  | "bad-model"
  | "unsupported"
  | "bad-data"
  | "bad-labels"
  | "bad-plan"
  | "bad-option"
  | "not-finite"
  | "diverged"
  | "io"
  | "internal";

/**
 * An error in what was given, not in the program. The command line prints its message without a
 * stack and leaves with exit code 2.
 */
export class SecateurError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "SecateurError";
    this.code = code;
  }
}

/**
 * An option as messages name it: `batchSize`, or with a value `batchSize: 16`, in the words of the library. The
 * command line shows a flag in its place.
 */
export const option = (path: string, value?: unknown): string =>
  `\`${path}${value === undefined ? "" : `: ${JSON.stringify(value, undefined, 1).replaceAll(/\n */g, " ")}`}\``;

/** Throws a {@link SecateurError}; an expression, so that it can stand behind `??`. */
export function fail(code: ErrorCode, message: string, cause?: unknown): never {
  throw new SecateurError(code, message, cause === undefined ? undefined : { cause });
}
