/** Ways in which data would fit a classifier better: its pixels in another form, its classes in another order. */

import type { Batch, Dataset } from "../data/batches.ts";
import { builtInList, builtInLists, matchClasses } from "../data/class-list.ts";
import type { ImageForm } from "../data/form.ts";
import { isSame, optionsFor } from "../data/preprocessing.ts";
import { commonForms, reformed } from "../data/reform.ts";
import { option } from "../graph/error.ts";
import { aboveChance, findOrder, hitsOf, listen, type Asker, type Order, type Said } from "../evaluate/first-look.ts";

/** What other ways are tried with. */
export interface Trial {
  readonly data: Dataset;
  readonly asker: Asker;
  /** Some minibatches. */
  readonly kept: readonly Batch[];
  /** Told how many forms have been tried, of how many. */
  readonly onProgress: (done: number, all: number) => void;
}

export interface Found {
  readonly text: string;
  /** Whether something was found that makes the labels right. */
  readonly remedy: boolean;
}

/** What another way must reach, as several are tried: standard deviations, and the share of what there is to know. */
const better = 4;
const leastKnown = 0.25;

/**
 * Whether a share says that the model has learned its classes: one that has not may have a
 * little to do with them all the same.
 */
const isKnown = (share: number, classes: number): boolean => share - 1 / classes >= leastKnown * (1 - 1 / classes);

/** Why a model that is right by chance alone may be so. */
export async function explainChance(said: Said, trial: Trial): Promise<Found> {
  const { data } = trial;
  const head =
    `${percent(shareOf(said))} of ${said.labels.length} samples of "${data.name}" are right, no more ` +
    `than by chance`;
  const listed = await inBuiltInLists(said, data);
  const forms = await tryForms(trial, true);
  const ways = [{ change: "", said }, ...forms].flatMap((tried) => wayOf(tried) ?? []);
  const [best] = likeliest(ways);
  if (listed && !(best && best.share > listed.share)) return { remedy: true, text: `${head}. ${listed.text}` };
  if (best) {
    const { change, share, order, said: other } = best;
    const right = `${percent(share)} of ${order ? order.samples : other.labels.length} are right`;
    const now = change === "" ? "" : `; now they are given with ${optionsFor(pixelsOf(data.form!))}`;
    const how = order
      ? `The model's classes stand in another order: with ` +
        `${[change, orderText(other, data, order.labelOf)].filter((text) => text !== "").join(" ")} ${right}`
      : `With ${change} ${right}`;
    return { remedy: true, text: `${head}. ${how}${now}` };
  }
  const tried = forms.length === 0 ? "" : `; in ${forms.length} other forms of its pixels it is no better`;
  return {
    remedy: false,
    text:
      `${head}${tried}. Look at the order of the classes (${named("classes")}), mean and std ` +
      `(${named("preset", "mean", "std", "scale")}), ` +
      `the size (${named("size", "resize")}) and the order of the channels (${named("channels")})`,
  };
}

/** A form, and perhaps an order of the classes, in which a model is right. */
interface Way extends Tried {
  readonly share: number;
  readonly order?: Order;
}

function wayOf(tried: Tried): Way | undefined {
  const { labels, answers, classes } = tried.said;
  const share = shareOf(tried.said);
  if (isKnown(share, classes) && (aboveChance(labels, answers) ?? 0) >= better) return { ...tried, share };
  const order = findOrder(tried.said);
  return order && order.above >= better && isKnown(order.share, classes)
    ? { ...tried, share: order.share, order }
    : undefined;
}

/** Points that a form must gain, and the share of the errors that it must do away with to be surely the right one. */
const leastGain = 0.05;
const surelyGains = 0.5;

/**
 * Another form of the pixels in which a model that is above chance is right far more
 * often; `undefined` where there is none.
 */
export async function explainForm(trial: Trial): Promise<Found | undefined> {
  const { data, asker, kept } = trial;
  const listener = listen();
  for (const batch of kept) await asker.ask(batch, listener);
  const now = listener.said!;
  const forms = await tryForms(trial, false);
  const [best] = likeliest(forms.map((tried) => ({ ...tried, share: shareOf(tried.said) })));
  if (!best || !isKnown(best.share, now.classes)) return undefined;
  const hits = ({ labels, answers }: Said) => answers.map((answer, i) => answer === labels[i]);
  const [before, after] = [hits(now), hits(best.said)];
  const won = after.filter((hit, i) => hit && !before[i]).length;
  const lost = before.filter((hit, i) => hit && !after[i]).length;
  const gain = (won - lost) / before.length;
  // McNemar's test: only samples that one is right on and the other is not say something.
  if (gain < leastGain || won - lost < better * Math.sqrt(won + lost)) return undefined;
  return {
    remedy: gain >= surelyGains * (1 - shareOf(now)),
    text:
      `of ${before.length} samples of "${data.name}" ${percent(shareOf(now))} are right as they are now, ` +
      `with ${optionsFor(pixelsOf(data.form!))}; with ${best.change} ${percent(shareOf(best.said))} are`,
  };
}

interface Tried {
  /** The options that make this form of the one that the data has. */
  readonly change: string;
  readonly said: Said;
}

/**
 * What the model says of the same pixels in other forms.
 *
 * @param all whether the two orders of colours are tried with all means and deviations
 */
async function tryForms({ data: { form }, asker, kept, onProgress }: Trial, all: boolean): Promise<Tried[]> {
  const [input, another] = Object.entries(kept[0]?.inputs ?? {});
  if (!form || !input || another) return [];
  const [name, first] = input;
  const others = commonForms(first, form).filter(
    (other) => isSame(other, form) !== (other.channels === form.channels) || (all && !isSame(other, form)),
  );
  const found: Tried[] = [];
  for (const [i, other] of others.entries()) {
    const listener = listen();
    for (const batch of kept)
      await asker.ask({ ...batch, inputs: { [name]: reformed(batch.inputs[name]!, form, other) } }, listener);
    const change = [
      ...(isSame(form, other) ? [] : [optionsFor(normalisationOf(other))]),
      ...(form.channels === other.channels ? [] : [option("channels", other.channels)]),
    ];
    found.push({ change: change.join(" "), said: listener.said! });
    onProgress(i + 1, others.length);
  }
  return found;
}

/**
 * The ways that are right most often, as far as so few samples can tell, the likeliest first:
 * without a change, with the least loss.
 */
function likeliest<T extends Tried & Pick<Way, "share" | "order">>(ways: readonly T[]): T[] {
  const most = Math.max(...ways.map(({ share }) => share));
  const alike = ways.filter(({ said, order, share }) => {
    const n = order?.samples ?? said.labels.length;
    // That all of some are right does not say that all are.
    const likely = (most * n + 1) / (n + 2);
    return share >= most - 3 * Math.sqrt((likely * (1 - likely)) / n);
  });
  // In another order the loss says nothing.
  const loss = ({ change, order, said }: T): number => (change === "" ? -1 : order ? 0 : said.loss);
  return alike.sort((a, b) => loss(a) - loss(b));
}

const normalisationOf = ({ scale, mean, std }: ImageForm): ImageForm => ({
  ...(scale && { scale }),
  ...(mean && { mean }),
  ...(std && { std }),
});

const pixelsOf = (form: ImageForm): ImageForm => ({
  ...normalisationOf(form),
  ...(form.channels && { channels: form.channels }),
});

/** A list whose names the data's classes have, and that has a class for each output, where the model is right by it. */
async function inBuiltInLists(
  { classes, labels, answers }: Said,
  data: Dataset,
): Promise<{ share: number; text: string } | undefined> {
  if (!data.labels || data.classList !== undefined) return undefined;
  for (const name of builtInLists) {
    const list = await builtInList(name, data.labels);
    const { ids, problems } = matchClasses(data.labels, list);
    const fits = name === "numbers" ? list.classes.length <= classes : list.classes.length === classes;
    const ordered = labels.map((label) => ids[label]!);
    if (problems.length > 0 || !fits || (aboveChance(ordered, answers) ?? 0) < better) continue;
    const share = hitsOf(ordered, answers) / labels.length;
    return { share, text: `With ${option("classes", name)} ${percent(share)} are right` };
  }
  return undefined;
}

/** An order is told in full from so many samples of each class. */
const samplesOfClass = 10;
/** Else so much of it. */
const mostPairs = 5;

function orderText({ classes, labels }: Said, data: Dataset, labelOf: ReadonlyMap<number, number>): string {
  const pairs = [...labelOf].sort(([a], [b]) => a - b);
  const names = pairs.map(([, label]) => data.labels?.[label] ?? String(label));
  if (pairs.length === classes && labels.length >= samplesOfClass * classes) return optionsFor({}, names, true);
  const some = pairs.slice(0, mostPairs).map(([output], i) => `output ${output} is ${names[i]!}`);
  return `${option("classes")} as a file with the names of the outputs in their order (${some.join(", ")} and so on),`;
}

const named = (...options: readonly string[]): string => options.map((name) => option(name)).join(", ");
const shareOf = ({ labels, answers }: Said): number => hitsOf(labels, answers) / labels.length;
const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
