/** Data sets as they are named on the command line: a kind, a colon and a path. */

import { fail } from "../graph/error.ts";
import type { Dataset } from "./batches.ts";
import { cifar10 } from "./cifar10-node.ts";
import { csv } from "./csv-node.ts";
import type { ImageForm } from "./decode-node.ts";
import type { EncodedOptions } from "./encoded-node.ts";
import { folder } from "./folder-node.ts";
import { mnist } from "./mnist-node.ts";
import { moduleDataset } from "./module-node.ts";
import type { Normalise } from "./normalise.ts";
import { npz } from "./npz-node.ts";
import { parquet } from "./parquet-node.ts";
import type { SplitName } from "./parts.ts";
import { channelOrders, layouts, type PixelForm } from "./pixels.ts";

export interface OpenOptions extends Omit<PixelForm, keyof Normalise>, Omit<EncodedOptions, keyof PixelForm> {
  readonly split: SplitName;
  readonly normalise?: Normalise;
}

interface Kind {
  readonly form: string;
  /** What its pixels can be told to become. */
  readonly takes: readonly (keyof ImageForm)[];
  readonly open: (path: string, split: SplitName, options: EncodedOptions) => Promise<Dataset>;
}

const pixels = ["scale", "mean", "std", "layout", "channels"] as const;
const encoded = [...pixels, "size", "resize"] as const;

const kinds: Readonly<Record<string, Kind>> = {
  cifar10: { form: "cifar10:DIR", takes: pixels, open: cifar10 },
  mnist: { form: "mnist:DIR", takes: pixels, open: mnist },
  folder: { form: "folder:DIR", takes: encoded, open: folder },
  csv: { form: "csv:FILE.csv", takes: encoded, open: csv },
  parquet: { form: "parquet:DIR", takes: encoded, open: parquet },
  npz: { form: "npz:FILE.npz", takes: pixels, open: npz },
  module: { form: "module:FILE.mjs", takes: [], open: moduleDataset },
};

/** The same data set with another path. */
export function withPath(spec: string, change: (path: string) => string): string {
  const colon = spec.indexOf(":");
  return colon < 0 ? spec : `${spec.slice(0, colon + 1)}${change(spec.slice(colon + 1))}`;
}

/** The forms that {@link openDataset} takes, for help texts. */
export const datasetForms: readonly string[] = Object.values(kinds).map(({ form }) => form);

/**
 * Opens one of {@link datasetForms}. Fails with `bad-option` on another kind, no path, or options that the kind does not take, and as the data
 * set itself does.
 */
export async function openDataset(spec: string, options: OpenOptions): Promise<Dataset> {
  const colon = spec.indexOf(":");
  const kind = colon < 0 ? spec : spec.slice(0, colon);
  const path = colon < 0 ? "" : spec.slice(colon + 1);
  const known = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (!known) fail("bad-option", `data set "${spec}": unknown kind "${kind}"; give one of ${datasetForms.join(", ")}`);
  if (path === "") fail("bad-option", `data set "${spec}": no path; give ${known.form}`);
  const { split, normalise, ...rest } = options;
  if (split !== "train" && split !== "test")
    fail("bad-option", `data set "${spec}": split "${String(split)}"; give train or test`);
  const form = { ...normalise, ...rest };
  refuseOthers(spec, known, form);
  return known.open(path, split, form);
}

function refuseOthers(spec: string, { takes }: Kind, form: EncodedOptions): void {
  const others = encoded.filter((key) => form[key] !== undefined && !takes.includes(key));
  if (others.length > 0)
    fail(
      "bad-option",
      `data set "${spec}": ${others.join(", ")} cannot be applied to it; ` +
        (takes.length === 0 ? "do it in the module" : "its images have the size that they have"),
    );
  const { layout = "nchw", channels = "rgb" } = form;
  if (!layouts.includes(layout))
    fail("bad-option", `data set "${spec}": layout "${layout}"; give ${layouts.join(" or ")}`);
  if (!channelOrders.includes(channels))
    fail("bad-option", `data set "${spec}": channels "${channels}"; give one of ${channelOrders.join(", ")}`);
}
