/** Data sets by what the command line calls them. */

import type { Dataset } from "../data/batches.ts";
import { openDataset as open, type OpenOptions } from "../data/spec-node.ts";
import { fail } from "../graph/error.ts";
import { takes } from "../options/check.ts";
import { callback, type KindsOf } from "../options/kinds.ts";
import { channels, classes, described, layout, normalise, parts, resize, size, strict, warn } from "../options/data.ts";

const settle = takes("openDataset", {
  split: parts,
  normalise: normalise.optional(),
  layout: layout.optional(),
  channels: channels.optional(),
  size: size.optional(),
  resize: resize.optional(),
  strict: strict.optional(),
  warn: warn.optional(),
  model: described.optional(),
  classes: classes.optional(),
  onNote: callback<(note: string) => void>().optional(),
} satisfies KindsOf<OpenOptions>);

/**
 * Opens a data set by its kind and path, as `"mnist:data/mnist"`. With a model, what its file says of pixels and
 * classes is taken where the options do not say it.
 *
 * @example
 * import { openDataset } from "secateur";
 *
 * const { size, classes } = await openDataset("mnist:data/mnist", { split: "train" });
 * console.log(size, classes);
 *
 * @throws SecateurError `bad-option` on another kind, no path, or options that the kind does not take;
 * `bad-data` or `io` as the data set has it
 */
export async function openDataset(spec: string, options: OpenOptions): Promise<Dataset> {
  if (typeof spec !== "string") fail("bad-option", 'openDataset takes a text, as "mnist:data/mnist"');
  return open(spec, settle(options));
}
