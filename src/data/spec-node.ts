/** Data sets as they are named on the command line: a kind, a colon and a path. */

import { fail } from "../graph/error.ts";
import type { Dataset } from "./batches.ts";
import { cifar10 } from "./cifar10-node.ts";
import type { SplitName } from "./files-node.ts";
import { mnist } from "./mnist-node.ts";
import { moduleDataset } from "./module-node.ts";
import type { Normalise } from "./normalise.ts";

export interface OpenOptions {
  readonly split: SplitName;
  readonly normalise?: Normalise;
}

type Opener = (path: string, options: OpenOptions) => Promise<Dataset>;

const kinds: Readonly<Record<string, { readonly form: string; readonly open: Opener }>> = {
  cifar10: {
    form: "cifar10:DIR",
    open: (dir, { split, normalise }) => cifar10(dir, split, normalise),
  },
  mnist: { form: "mnist:DIR", open: (dir, { split, normalise }) => mnist(dir, split, normalise) },
  module: { form: "module:FILE.mjs", open: openModule },
};

/** The forms that {@link openDataset} takes, for help texts. */
export const datasetForms: readonly string[] = Object.values(kinds).map(({ form }) => form);

/**
 * Opens `cifar10:DIR`, `mnist:DIR` or `module:FILE.mjs`. Fails with `bad-option` on another kind or
 * no path, and as the data set itself does.
 */
export async function openDataset(spec: string, options: OpenOptions): Promise<Dataset> {
  const colon = spec.indexOf(":");
  const kind = colon < 0 ? spec : spec.slice(0, colon);
  const path = colon < 0 ? "" : spec.slice(colon + 1);
  const known = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (!known) fail("bad-option", `data set "${spec}": unknown kind "${kind}"; give one of ${datasetForms.join(", ")}`);
  if (path === "") fail("bad-option", `data set "${spec}": no path; give ${known.form}`);
  if (options.split !== "train" && options.split !== "test")
    fail("bad-option", `data set "${spec}": split "${String(options.split)}"; give train or test`);
  return known.open(path, options);
}

function openModule(file: string, { split, normalise }: OpenOptions): Promise<Dataset> {
  if (normalise)
    fail("bad-option", `${file}: normalisation cannot be applied to the batches of a module; do it in the module`);
  return moduleDataset(file, split);
}
