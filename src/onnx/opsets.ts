/** Which opsets are read and written, and which one graphs are worked on in. */

import type { Node } from "../graph/graph.ts";
import { introduced } from "./history.ts";

/** Opsets of the ONNX standard that are read and written. */
export const oldestOpset = 7;
export const newestOpset = 26;

/**
 * The opset that every graph is in once it is loaded. Operators that came later stand in it as they are; those that
 * changed later have meant the same since, unless they use what is new.
 */
export const internalOpset = 23;

/** Whether an operator of the standard came after the internal opset. */
export const isYounger = ({ op }: Node): boolean => (introduced.get(op) ?? 0) > internalOpset;
