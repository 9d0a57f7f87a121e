/** What --help says besides arguments and options. */

import type { Command } from "commander";

/** Command lines that can be copied; they are tried by a test. */
export const withExample = (command: Command, ...lines: readonly string[]): Command =>
  command.addHelpText("after", `\nExample:\n${lines.map((line) => `  ${line}`).join("\n")}`);

export const exitCodes = `
Exit codes:
  0    done
  1    a budget or a gate was not met: prune --macs, --params, --units; compare --max-drop; or a proof failed: cut, prune
  2    bad input: a file, an option or data that cannot be worked with
  130  interrupted; nothing was written`;
