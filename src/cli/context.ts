/** What the commands of one run share. */

import type { Command } from "commander";
import { note } from "./output.ts";

export interface Context {
  readonly version: string;
  /** Ends the work of a command. */
  readonly signal: AbortSignal;
  /** Says something once, however often a command looks at its model. */
  readonly noteOnce: (text: string) => void;
}

export function createContext(version: string, signal: AbortSignal): Context {
  const told = new Set<string>();
  return {
    version,
    signal,
    noteOnce(text) {
      if (!told.has(text)) note(text);
      told.add(text);
    },
  };
}

/** What gives commands their options and what they do, by their names. */
export type Commands = Readonly<Record<string, (command: Command, context: Context) => void>>;
