/** The runtime that work goes to where none is named. */

import { fail } from "../graph/error.ts";
import type { Runtime } from "./port.ts";

let chosen: Runtime | undefined;

/** Names the runtime for all work that names none; `secateur` in Node has done so. */
export function useRuntime(runtime: Runtime): void {
  chosen = runtime;
}

/** @throws SecateurError `bad-option` where none was named */
export const defaultRuntime = (): Runtime =>
  chosen ??
  fail(
    "bad-option",
    "there is no runtime yet: hand createRuntime the onnxruntime package at hand, and useRuntime what it gives",
  );
