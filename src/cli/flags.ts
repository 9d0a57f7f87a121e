/** What the library says of its options, in flags. */

import { SecateurError } from "../graph/error.ts";
import { flagOf } from "../report/page.ts";

/** Options of the library that messages name without what they are part of. */
const alone = /\b(roundTo)\b/g;

/** "limits.minUnits 8" -> "--min-units 8" */
export const inFlags = (message: string): string =>
  message
    .replaceAll(/\b(?:budget|limits)\.(\w+)/g, (_, name: string) => flagOf(name === "ratios" ? "ratio" : name))
    .replaceAll(alone, flagOf);

/** An error of a job with flags in its message. */
export const withFlags = (error: unknown): unknown =>
  error instanceof SecateurError ? new SecateurError(error.code, inFlags(error.message), { cause: error }) : error;
