/** The reduce of a measurement: parts are held against each other, and averaged in the order of minibatches. */

import { Average } from "../criteria/average.ts";
import type { Criterion, DataCriterion, Scores } from "../criteria/criterion.ts";
import { criteria } from "../criteria/table.ts";
import { fail, option } from "../graph/error.ts";
import { checkPart, decodeNumbers, type ScorePart } from "./part.ts";
import { finishParts } from "./score-part.ts";
import { shardName, spanOf } from "./shards.ts";

/** A part, and what errors call it. */
export interface NamedPart {
  readonly name: string;
  readonly part: unknown;
}

type Known = Omit<NamedPart, "part"> & { readonly part: ScorePart };

/** What parts came to. */
export interface Merged {
  readonly scores: Scores;
  /** What the parts are made of, as all of them say it. */
  readonly of: Pick<ScorePart, "criterion" | "options" | "data">;
  /** What may make the last digits others than those of one machine, in a sentence each. */
  readonly remarks: readonly string[];
}

/**
 * The importances that one machine would have measured, of the parts of several.
 *
 * @param own the criterion, where it is one of your own
 * @throws SecateurError `bad-plan` naming parts that are missing, damaged, of another version, given twice with
 * different contents, or made of another model, other data or other options
 */
export async function mergeParts(given: readonly NamedPart[], own?: Criterion): Promise<Merged> {
  if (given.length === 0) fail("bad-plan", "there are no parts to merge");
  const all: Known[] = [];
  for (const { name, part } of given) all.push({ name, part: await checkPart(part, name) });
  const [first] = all;
  for (const other of all) refuseOther(first!, other);
  const parts = inOrder(all);
  const { criterion: named, options, data, savings } = first!.part;
  const criterion = criterionOf(named, own);
  const average = new Average();
  for (const { samples } of minibatchesOf(parts, Number(options["batches"])))
    average.add(new Map(samples.map(([group, text]) => [group, decodeNumbers(text)])));
  if (average.count === 0)
    fail(
      "bad-plan",
      `the parts hold no minibatch: "${data.name}" gave no whole one of ${String(options["batchSize"])}`,
    );
  const scores = finishParts(criterion, average.mean(), savings);
  return { scores, of: { criterion: named, options, data }, remarks: remarksOf(parts) };
}

function criterionOf({ name, own: isOwn }: ScorePart["criterion"], given: Criterion | undefined): DataCriterion {
  const criterion = isOwn ? given : criteria.get(name);
  if (criterion?.kind !== "data")
    fail("bad-option", `the parts are of "${name}", a criterion of your own: give it by ${option("criterion")}`);
  if (isOwn && criterion.name !== name)
    fail("bad-option", `the parts are of "${name}", and ${option("criterion")} is "${criterion.name}"`);
  return criterion;
}

/** Refuses a part of another measurement. */
function refuseOther(one: Known, other: Known): void {
  const [a, b] = [one.part, other.part];
  const refuse = (what: string): never =>
    fail("bad-plan", `${other.name} and ${one.name} do not belong together: ${what}`);
  if (a.shard.of !== b.shard.of) refuse(`${shardName(b.shard)} and ${shardName(a.shard)} are parts of other numbers`);
  if (a.model !== b.model)
    refuse(`they are of different models (SHA-256 ${b.model.slice(0, 12)} and ${a.model.slice(0, 12)})`);
  const differs = (x: unknown, y: unknown): boolean => JSON.stringify(x) !== JSON.stringify(y);
  if (a.criterion.name !== b.criterion.name || a.criterion.own !== b.criterion.own)
    refuse(`${option("criterion")} is ${b.criterion.name} and ${a.criterion.name}`);
  const names = new Set([...Object.keys(a.options), ...Object.keys(b.options)]);
  for (const name of names) {
    const [x, y] = [a.options[name], b.options[name]];
    if (differs(x, y)) refuse(`${option(name)} is ${told(y)} and ${told(x)}`);
  }
  // Where data lies on a disk says nothing: what is in it does.
  const dataOf = ({ data: { size, classes, first } }: ScorePart) => [size, classes, first];
  if (differs(dataOf(a), dataOf(b)))
    refuse(
      `they are of different data: "${b.data.name}"${sized(b)} and "${a.data.name}"${sized(a)} differ in their ` +
        "samples, their order or what pixels become",
    );
  if (differs(a.savings, b.savings)) refuse("units cost differently");
}

const told = (value: unknown): string => (value === undefined ? "not given" : JSON.stringify(value));
const sized = ({ data: { size } }: ScorePart): string => (size === undefined ? "" : ` of ${size} samples`);

/** One part for each shard, in their order. */
function inOrder(all: readonly Known[]): readonly Known[] {
  const known = new Map<number, Known>();
  for (const one of all) {
    const before = known.get(one.part.shard.index);
    if (before && before.part.sha256 !== one.part.sha256)
      fail(
        "bad-plan",
        `${before.name} and ${one.name} are both of shard ${shardName(one.part.shard)} and differ: keep the right one`,
      );
    known.set(one.part.shard.index, one);
  }
  const { of } = all[0]!.part.shard;
  const missing = Array.from({ length: of }, (_, i) => i + 1).filter((index) => !known.has(index));
  if (missing.length > 0)
    fail(
      "bad-plan",
      `of ${of} parts ${missing.length === 1 ? "one is" : `${missing.length} are`} missing: make ` +
        `${missing
          .slice(0, 20)
          .map((index) => option("shard", { index, of }))
          .join(", ")}${missing.length > 20 ? " ..." : ""}`,
    );
  return [...known.values()].toSorted((a, b) => a.part.shard.index - b.part.shard.index);
}

/** The minibatches of all parts in their order. */
function minibatchesOf(parts: readonly Known[], batches: number): ScorePart["minibatches"] {
  let [next, end] = [0, undefined as Known | undefined];
  return parts.flatMap(({ name, part }) => {
    const { from, to } = spanOf(part.shard, batches);
    for (const { index } of part.minibatches) {
      if (end) fail("bad-plan", `${name} holds minibatch ${index + 1}, and the data of ${end.name} ended before`);
      if (index !== next || index < from || index >= to)
        fail("bad-plan", `${name} holds minibatch ${index + 1} where ${next + 1} belongs`);
      next++;
    }
    // The data of a part that holds less than its share has ended there.
    if (from + part.minibatches.length < to) end ??= { name, part };
    return part.minibatches;
  });
}

function remarksOf(parts: readonly Known[]): string[] {
  const machines = new Map(parts.map(({ part: { machine } }) => [JSON.stringify(machine), machine]));
  if (machines.size < 2) return [];
  const of = [...machines.values()].map(
    ({ device, threads }) => `${String(device)} with ${String(threads ?? "all")} threads`,
  );
  return [
    `parts were measured on ${of.join(", on ")}: the importances are as good, and their last digits may differ from ` +
      "those of one machine",
  ];
}
