/** Arrays of NumPy from an archive, as a data set. */

import { unzipSync } from "fflate";
import { fail } from "../graph/error.ts";
import { sizeOf, toNumbers, type Tensor } from "../graph/tensor.ts";
import type { Model } from "../graph/graph.ts";
import { arrayDataset } from "./arrays.ts";
import { parseNpy } from "./npy.ts";
import { holdOut, type SplitName } from "./splits.ts";
import type { PixelForm } from "./form.ts";
import type { SampleDataset } from "./samples.ts";
import { checksumsOf } from "./zip.ts";

/** Arrays by name, read when they are asked for. */
export interface Archive {
  readonly names: readonly string[];
  read(names: readonly string[]): Promise<Tensor[]>;
}

/**
 * The arrays of one part: NAME_train for training, and NAME_test, NAME_validation or NAME_val for testing. Arrays
 * without such endings are one set, of which every fifth sample is held out, of each class where there are classes. y
 * or target is the target, and y_NAME or target_NAME the target NAME. What is called like an input of the model is that
 * input; all else is then a target of its name. Where no array is called so, the only one that is left is the input.
 * What is stated holds for pixels alone, and is passed over where there are none. Fails with `io` on a missing file and
 * with `bad-data` on a wrong one.
 *
 * @param model whose inputs and outputs arrays may be called like; without one, all that is no target is an input
 */
export async function ofArchive(
  path: string,
  archive: Archive,
  split: SplitName,
  form: PixelForm,
  stated: PixelForm = {},
  model?: Pick<Model, "graph">,
): Promise<SampleDataset> {
  const chosen = choose(path, archive.names, split);
  const tensors = await archive.read([...chosen.keys()]);
  const keys = [...chosen.values()];
  const arrays = new Map(keys.map((key, i) => [key, tensors[i]!]));
  const { inputs, targets } = rolesOf(path, keys, model?.graph);
  if (inputs.length === 0) fail("bad-data", `${path} has no inputs; it has ${archive.names.join(", ")}`);
  const isOnly = inputs.length === 1 && !(model && model.graph.inputs.length > 1);
  const named = new Map(Array.from(targets, ([name, key]) => [name, arrays.get(key)!]));
  const target = named.get("");
  named.delete("");
  const dataset = arrayDataset(
    {
      name: `${path} ${split}`,
      inputs: Object.fromEntries(inputs.map((key) => [isOnly ? "" : key, arrays.get(key)!])),
      ...(target && { target }),
      ...(named.size > 0 && { targets: Object.fromEntries(named) }),
    },
    form,
    stated,
  );
  if ([...chosen.keys()].some((name) => splitOf(name))) return dataset;
  const hasClasses = target && !target.dtype.startsWith("float") && sizeOf(target.shape) === dataset.size;
  const ids = hasClasses ? toNumbers(target) : new Uint8Array(dataset.size);
  return dataset.subset(holdOut(path, ids, split), `${path} ${split}`);
}

/** The arrays that are inputs, and those that are targets by the names of the targets; "" is the only one. */
interface Roles {
  readonly inputs: readonly string[];
  readonly targets: ReadonlyMap<string, string>;
}

function rolesOf(path: string, keys: readonly string[], graph: Model["graph"] | undefined): Roles {
  const known = graph?.inputs.map(({ name }) => name) ?? [];
  const outputs = new Set(graph?.outputs.map(({ name }) => name));
  const own = keys.filter((key) => known.includes(key) && targetNameOf(key) !== "");
  const targets = new Map<string, string>();
  const left: string[] = [];
  for (const key of keys.filter((one) => !own.includes(one))) {
    const name = targetNameOf(key) ?? (outputs.has(key) || own.length > 0 ? key : undefined);
    const other = name === undefined ? undefined : targets.get(name);
    if (name === undefined) left.push(key);
    else if (other === undefined) targets.set(name, key);
    else {
      const one = name === "" ? "the target" : `the target ${name}`;
      fail("bad-data", `${path} has both ${other} and ${key}; one of them is ${one}`);
    }
  }
  if (graph && left.length > 1)
    fail(
      "bad-data",
      `${path}: nothing says which of ${left.join(", ")} is the input; call it ${known.join(" and ")}, as the ` +
        `model does, and the others are targets of their names; or call a target target_NAME, as target_${left[1]}`,
    );
  return { inputs: [...own, ...left], targets };
}

/** The name of the target that an array is by its own name. */
function targetNameOf(key: string): string | undefined {
  if (key === "y" || key === "target") return "";
  return /^(?:y|targets?)[_.](.+)$/.exec(key)?.[1];
}

/** "x_train" as "x" of the part "train". */
function splitOf(name: string): { readonly key: string; readonly split: SplitName } | undefined {
  const [, key, suffix] = /^(.+)_(train|test|validation|val)$/.exec(name) ?? [];
  return key === undefined ? undefined : { key, split: suffix === "train" ? "train" : "test" };
}

/** The names of the arrays that make up a part, with what they are in it. */
function choose(path: string, names: readonly string[], split: SplitName): Map<string, string> {
  if (names.length === 0) fail("bad-data", `${path} holds no arrays`);
  const whole = names.filter((name) => !splitOf(name));
  if (whole.length === names.length) return new Map(names.map((name) => [name, name]));
  if (whole.length > 0)
    fail(
      "bad-data",
      `${path}: ${whole.join(", ")} is of no part, the other arrays are; name it like ${whole[0]}_${split}`,
    );
  const own = names.filter((name) => splitOf(name)!.split === split);
  if (own.length === 0)
    fail(
      "bad-data",
      `${path} has no arrays for ` +
        `${split === "train" ? "training (x_train, y_train)" : "testing (x_test, y_test)"}; it has ${names.join(", ")}`,
    );
  const chosen = new Map(own.map((name) => [name, splitOf(name)!.key]));
  if (new Set(chosen.values()).size < own.length)
    fail("bad-data", `${path} has several parts for testing, ${own.join(", ")}; leave one`);
  return chosen;
}

/** More than typed arrays of all runtimes hold is more than anybody has in an archive. */
const mostBytes = 2 ** 32;
/** Deflate makes nothing smaller than by this. */
const mostDeflated = 1032;

/** What an archive declares of an array. */
interface Member {
  readonly packed: number;
  readonly unpacked: number;
  /** CRC-32 of the bytes unpacked. */
  readonly checksum: number;
}

/**
 * Opens an .npz file.
 *
 * @param crc32 the CRC-32 of bytes, which those of every array are held against
 */
export function openZip(path: string, bytes: Uint8Array, crc32: (bytes: Uint8Array) => number): Archive {
  const whole = <T>(read: () => T): T => {
    try {
      return read();
    } catch (error) {
      return fail("bad-data", `${path}: not a whole .npz file (${(error as Error).message})`, error);
    }
  };
  const unzip = (filter: NonNullable<Parameters<typeof unzipSync>[1]>["filter"]) =>
    whole(() => unzipSync(bytes, { filter }));
  const checksums = whole(() => checksumsOf(bytes)).values();
  const members = new Map<string, Member>();
  unzip(({ name, size, originalSize }) => {
    const checksum = checksums.next().value!;
    if (name.endsWith(".npy")) members.set(name.slice(0, -4), { packed: size, unpacked: originalSize, checksum });
    return false;
  });
  return {
    names: [...members.keys()],
    // oxlint-disable-next-line require-await -- the folder's is asynchronous
    async read(wanted) {
      let total = 0;
      for (const name of wanted) {
        const { packed, unpacked } = members.get(name)!;
        total += unpacked;
        if (unpacked > packed * mostDeflated || total > mostBytes)
          fail(
            "bad-data",
            `${path}: ${name} declares ${unpacked} bytes, more than its ${packed} can hold or than ${mostBytes}`,
          );
      }
      const entries = unzip(({ name }) => wanted.includes(name.slice(0, -4)));
      return wanted.map((name) => {
        const entry = entries[`${name}.npy`]!;
        const { unpacked, checksum } = members.get(name)!;
        if (entry.length !== unpacked)
          fail("bad-data", `${path}: ${name} declares ${unpacked} bytes and holds ${entry.length}`);
        if (crc32(entry) !== checksum)
          fail(
            "bad-data",
            `${path}: ${name} is damaged: its checksum is not that of its bytes; copy or save the file anew`,
          );
        return parseNpy(entry, `${path}: ${name}`);
      });
    },
  };
}
