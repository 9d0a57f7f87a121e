/** Flags that all experiments share: --quick, --seed, --threads, --fresh. */

import { readFlags } from "../../scripts/lib/flags.mjs";

/**
 * The flags of an experiment, with its own beside the shared ones. A flag without a default must be given.
 *
 * @param {string} url of the experiment
 * @param {Record<string, { type: "string" | "boolean", default?: string | boolean, optional?: boolean }>} own
 */
export function options(url, own) {
  const all = {
    ...own,
    quick: { type: "boolean", default: false },
    fresh: { type: "boolean", default: false },
    seed: { type: "string", default: "0" },
    threads: { type: "string", default: "1" },
  };
  const { values } = readFlags(url, {
    options: Object.fromEntries(
      Object.entries(all).map(([name, { type, default: value }]) => [
        name,
        value === undefined ? { type } : { type, default: value },
      ]),
    ),
  });
  const missing = Object.keys(all).filter((name) => values[name] === undefined && !all[name].optional);
  if (missing.length > 0) {
    console.error(
      `give ${missing.map((name) => `--${name}`).join(" and ")} (secateur data cifar10 DIR fetches the images; --help says what there is)`,
    );
    process.exit(2);
  }
  return values;
}
