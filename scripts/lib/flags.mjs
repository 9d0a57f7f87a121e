/** Flags of the commands that developers run. */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

/** What a script says of itself in the comment at its head. */
const headOf = (url) =>
  /^\/\*\*(.*?)\*\//s
    .exec(readFileSync(new URL(url), "utf8"))[1]
    .split("\n")
    .map((line) => line.replace(/^ ?\* ?/, "").trimEnd())
    .join("\n")
    .trim();

/**
 * The flags of a script, as `parseArgs` has them. `--help` prints the script's head; a flag that it does not have is one line and not a trace.
 *
 * @param {string} url of the script
 * @param {import("node:util").ParseArgsConfig} config
 */
export function readFlags(url, { options, ...config }) {
  try {
    const parsed = parseArgs({
      ...config,
      options: { ...options, help: { type: "boolean", short: "h", default: false } },
    });
    if (!parsed.values.help) return parsed;
  } catch (error) {
    if (!error.code?.startsWith("ERR_PARSE_ARGS_")) throw error;
    console.error(`${error.message.split(". ")[0]}; --help says what there is`);
    process.exit(2);
  }
  console.log(headOf(url));
  process.exit(0);
}
