/** Labels that cannot be right: found before anything is learned from them. */

import type { Batch, Dataset } from "../data/batches.ts";
import { isSame, namesFor, preprocessingOf } from "../data/preprocessing.ts";
import { fail, option } from "../graph/error.ts";
import type { Model } from "../graph/graph.ts";
import { defaultRuntime } from "../runtime/default.ts";
import { aboveChance, hitsOf, listen, openAsker, spread, type Said } from "../evaluate/first-look.ts";
import type { Targets } from "../options/learning.ts";
import type { Loss } from "../options/loss.ts";
import type { ProgressEvent } from "./job.ts";
import type { LabelsOptions } from "./kinds.ts";
import type { RunOptions } from "../options/machine.ts";
import { explainChance, explainForm, type Found, type Trial } from "./label-ways.ts";
import type { OpenedModel } from "./opened.ts";

/** What is looked at. */
interface Looked extends OpenedModel {
  readonly model: Model;
  readonly data: Dataset;
  readonly emit: (event: ProgressEvent) => void;
}

interface CheckOptions extends LabelsOptions, RunOptions {
  readonly loss?: Loss | undefined;
  readonly targets?: Targets | "teacher" | undefined;
  readonly seed?: number | undefined;
}

/** What the data is for: a model that is trained may know nothing of it yet, and one that is pruned is ruined by it. */
export type Purpose = "train" | "finetune" | "prune" | "measure";

/** Samples of the first look; a model that is clearly better than chance is believed after a few minibatches. */
const most = 512;
const few = 128;
const each = 64;

/**
 * Standard deviations above chance from which a model is believed without further looks, and
 * below which it is said to be at chance.
 */
const clear = 5;
const noBetter = 2;
const manyClasses = 5;
/** A model that is right so often has the data in the right form. */
const goodEnough = 0.9;

/**
 * Looks at what a classifier says of the first samples, before anything is learned.
 *
 * @throws SecateurError `bad-labels` where learning would ruin the model: it is sure of what it says and right by
 * chance alone, or would be right with the data in another form or order. Also for data that names fewer classes than
 * the model has outputs. Else what is found is told as a note.
 */
export async function checkLabelsFit(looked: Looked, options: CheckOptions, purpose: Purpose): Promise<void> {
  const { graph, data, batchSize, isFixed } = looked;
  const { loss = "cross-entropy", targets = "labels", runtime = defaultRuntime(), seed = 0 } = options;
  if (options.labelsAreRight || loss !== "cross-entropy" || targets !== "labels") return;
  const size = isFixed ? batchSize : Math.min(batchSize, each);
  const listener = listen();
  const kept: Batch[] = [];
  await using asker = await openAsker(runtime, graph, data, options);
  for await (const batch of data.batches({ batchSize: size, shuffle: true, seed, limit: Math.ceil(most / size) })) {
    options.signal?.throwIfAborted();
    await asker.ask(batch, listener);
    const { said } = listener;
    if (said === undefined) return;
    refuseFewer(data, said.classes);
    if (kept.length * size < few) kept.push(batch);
    else if ((aboveChance(said.labels, said.answers) ?? 0) >= clear) break;
  }
  const said = listener.said!;
  // A model that knows nothing yet is what training begins with.
  if (purpose === "train" && !isSure(said)) return;
  const trial: Trial = { data, asker, kept, onProgress: (done, all) => looked.emit({ kind: "forms", done, all }) };
  const found = await explain(said, looked, trial);
  if (!found) return;
  const isAlive = isSure(said) && (purpose === "prune" || spread(said.answers) > spread(said.labels) / 2);
  // Two classes may be told apart by a model that has learned nothing, in one form or another.
  const isCertain = found.remedy && (isSure(said) || said.classes >= manyClasses);
  if (purpose !== "measure" && (isCertain || (found.isAtChance && isAlive)))
    fail(
      "bad-labels",
      `${found.text}. Nothing was learned, as learning from data that does not fit ruins a model; where it is ` +
        `right all the same, ${option("labelsAreRight", true)} goes on`,
    );
  options.onNote?.(found.text);
}

/** Looks at what a model has said of all samples of a measurement, and tells what it finds. */
export async function adviseOn(said: Said | undefined, looked: Looked, options: CheckOptions): Promise<void> {
  if (!said || options.labelsAreRight) return;
  const { graph, data, batchSize } = looked;
  const { runtime = defaultRuntime(), signal, onNote } = options;
  if (!isWorthALook(said, looked)) return;
  const kept: Batch[] = [];
  // Data without pixels has no other form, and may not come a second time.
  const limit = Math.ceil(few / batchSize);
  if (data.form) for await (const batch of data.batches({ batchSize, shuffle: true, limit })) kept.push(batch);
  signal?.throwIfAborted();
  await using asker = await openAsker(runtime, graph, data, options);
  const trial: Trial = { data, asker, kept, onProgress: (done, all) => looked.emit({ kind: "forms", done, all }) };
  const found = await explain(said, looked, trial);
  if (found) onNote?.(found.text);
}

/** Whether what was said leaves something to explain. */
function isWorthALook(said: Said, { model, data: { form } }: Looked): boolean {
  const above = aboveChance(said.labels, said.answers);
  // What is no number is told by whoever works on it.
  if (above === undefined || Number.isNaN(said.loss)) return false;
  if (above < noBetter) return true;
  // Who has written the file knew what it takes.
  const stated = preprocessingOf(model).form;
  const isStated = stated.scale !== undefined && form !== undefined && isSame(stated, form);
  return form !== undefined && !isStated && hitsOf(said.labels, said.answers) < goodEnough * said.labels.length;
}

async function explain(
  said: Said,
  looked: Looked,
  trial: Trial,
): Promise<(Found & { isAtChance: boolean }) | undefined> {
  if (!isWorthALook(said, looked)) return undefined;
  const isAtChance = aboveChance(said.labels, said.answers)! < noBetter;
  const found = isAtChance ? await explainChance(said, trial) : await explainForm(trial);
  if (!found) return undefined;
  const isNew = isAtChance && !isSure(said);
  return {
    ...found,
    isAtChance,
    text: `${found.text}${isNew ? ". For a model that has learned nothing yet that is as it should be" : ""}`,
  };
}

/** Whether a model takes its answers to be right: one that is untrained does not. */
const isSure = ({ confidence, classes }: Said): boolean => (confidence - 1 / classes) / (1 - 1 / classes) > 0.4;

/**
 * Named classes come in the order of their names: where the model has more, nothing says which outputs they are.
 *
 * @throws SecateurError `bad-labels`
 */
export function refuseFewer({ name, classes, labels, classList }: Dataset, outputs: number): void {
  if (labels === undefined || classes === undefined || classes >= outputs || classList === "numbers") return;
  if (classList !== undefined)
    fail(
      "bad-labels",
      `${classList} has ${classes} classes, the model ${outputs} outputs: ${option("classes")} takes a name for ` +
        `each output${outputs === 1001 ? "; imagenet-1001 has one for the background" : ""}`,
    );
  fail(
    "bad-labels",
    `"${name}" has ${classes} classes (${namesFor(labels)}), the model ${outputs} outputs: nothing says which ` +
      `of them these are. ` +
      `Give the names of all outputs in their order by ${option("classes")}: a file with one a line, or ` +
      `imagenet, cifar10 or numbers. ` +
      `${option("labelsAreRight", true)} takes the first outputs`,
  );
}
