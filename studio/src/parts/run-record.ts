/** The record of a run, line by line, as what charts and figures need of it. What is damaged in it is left out. */

/** A point of a curve. */
export type Point = readonly [x: number, y: number];

/** What a model is judged by. */
export interface Measure {
  readonly name: string;
  readonly value: number;
  /** Whether it is a share, shown in percent. */
  readonly share: boolean;
}

/** A measurement on the way. */
export interface Measured {
  /** Minibatches learned from by then. */
  readonly at: number;
  /** Multiply-accumulates by then; absent where none are pruned. */
  readonly macs: number | undefined;
  readonly measure: Measure;
  /** Whether fine-tuning came before. */
  readonly tuned: boolean;
}

export interface Width {
  readonly name: string;
  readonly before: number;
  readonly left: number;
}

/** From when on time is counted, in milliseconds since 1970, and from which step on. */
interface Span {
  readonly from: number;
  readonly step: number;
}

/** What was left behind a removal. */
interface Removal {
  readonly step: number;
  readonly macs: number | undefined;
  readonly units: number | undefined;
  /** Of the groups that lost units. */
  readonly left: ReadonlyMap<string, number>;
}

/** All that is kept of a record. */
export interface RunRecord {
  /** The loss over minibatches, of pruning and fine-tuning together. */
  readonly losses: Point[];
  readonly measured: Measured[];
  readonly widths: Map<string, Width>;
  /** What goes on, in a word: "pruning". */
  phase: string | undefined;
  /** At the start, and what it has come to. */
  costs: { readonly start: number; now: number } | undefined;
  /** In multiply-accumulates, where those are the budget. */
  target: number | undefined;
  units: { readonly start: number; now: number } | undefined;
  removals: number;
  /** Of the phase that goes on: steps so far and in all, and where its time is counted from. */
  step: { readonly phase: string; readonly done: number; readonly all: number | undefined } | undefined;
  epoch: { readonly done: number; readonly all: number | undefined } | undefined;
  /** Models on the way that are fine-tuned to see what they lose. */
  tries: { done: number; most: number } | undefined;
  schedule: { readonly removals: number; readonly every: number; readonly tuningSteps: number } | undefined;
  learningRate: number | undefined;
  /** What was told last of harm. */
  warning: string | undefined;
  /** Of the last line, in milliseconds since 1970. */
  time: number | undefined;
  pruning: Span | undefined;
  tuning: Span | undefined;
  /** Minibatches before the phase that goes on. */
  offset: number;
  readonly gone: Removal[];
}

export const emptyRecord = (): RunRecord => ({
  losses: [],
  measured: [],
  widths: new Map(),
  phase: undefined,
  costs: undefined,
  target: undefined,
  units: undefined,
  removals: 0,
  step: undefined,
  epoch: undefined,
  tries: undefined,
  schedule: undefined,
  learningRate: undefined,
  warning: undefined,
  time: undefined,
  pruning: undefined,
  tuning: undefined,
  offset: 0,
  gone: [],
});

type Fields = Readonly<Record<string, unknown>>;

/** A record may come from anywhere: what is no object has no fields. */
const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined;
const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value.slice(0, 300) : undefined);
const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fieldsOf) : []);

/** Takes a line into a record. */
export function add(record: RunRecord, line: unknown): void {
  const fields = fieldsOf(line);
  const time = Date.parse(textOf(fields["time"]) ?? "");
  if (Number.isFinite(time)) record.time = time;
  takes.get(textOf(fields["kind"]) ?? "")?.(record, fields);
}

const takes = new Map<string, (record: RunRecord, fields: Fields) => void>(
  Object.entries({
    start(record: RunRecord, { costs, units, groups, target }: Fields) {
      const [macs, all] = [numberOf(fieldsOf(costs)["macs"]), numberOf(units)];
      if (macs !== undefined) record.costs = { start: macs, now: macs };
      if (all !== undefined) record.units = { start: all, now: all };
      record.target = numberOf(fieldsOf(target)["macs"]);
      for (const { name, units: each } of listOf(groups)) {
        const [group, before] = [textOf(name), numberOf(each)];
        if (group !== undefined && before !== undefined)
          record.widths.set(group, { name: group, before, left: before });
      }
    },
    schedule(record: RunRecord, { removals, every, tuningSteps, tries }: Fields) {
      const [all, between] = [numberOf(removals), numberOf(every)];
      if (all !== undefined && between !== undefined)
        record.schedule = { removals: all, every: between, tuningSteps: numberOf(tuningSteps) ?? 0 };
      const most = numberOf(tries);
      if (most !== undefined) record.tries = { done: 0, most };
    },
    phase(record: RunRecord, { phase }: Fields) {
      record.phase = textOf(phase);
    },
    rate(record: RunRecord, { learningRate }: Fields) {
      record.learningRate = numberOf(learningRate);
    },
    step: takeStep,
    removal(record: RunRecord, { step, units, costs, groups }: Fields) {
      const left = new Map<string, number>();
      for (const { name, units: each, removed } of listOf(groups)) {
        const [group, had, gone] = [textOf(name), numberOf(each), numberOf(removed)];
        if (group === undefined || had === undefined || gone === undefined) continue;
        if (!record.widths.has(group)) record.widths.set(group, { name: group, before: had, left: had });
        if (gone > 0) left.set(group, had - gone);
      }
      const count = numberOf(step) ?? record.gone.length + 1;
      record.gone.push({ step: count, macs: numberOf(fieldsOf(costs)["macs"]), units: numberOf(units), left });
      standAt(record, count);
    },
    try(record: RunRecord, { number, most, removals }: Fields) {
      const [done, all] = [numberOf(number), numberOf(most)];
      if (done !== undefined && all !== undefined) record.tries = { done, most: all };
      record.step = record.tuning = undefined;
      standAt(record, numberOf(removals));
    },
    /** What comes next is proved and tried, which no step tells of. */
    pruned(record: RunRecord): void {
      record.step = undefined;
    },
    evaluation(record: RunRecord, { at, step, evaluation }: Fields) {
      const measure = measureOf(evaluation);
      if (!measure) return;
      const removals = numberOf(step) ?? record.removals;
      // The model that a search ends with may be one of earlier.
      if (at === "end") standAt(record, removals);
      const macs = record.gone.findLast((one) => one.step === removals)?.macs ?? record.costs?.start;
      record.measured.push({ at: stepsOf(record), macs, measure, tuned: at === "end" });
    },
    epoch(record: RunRecord, { epoch, evaluation }: Fields) {
      const done = numberOf(epoch);
      if (done !== undefined) record.epoch = { done, all: record.epoch?.all };
      const measure = measureOf(evaluation);
      if (measure) record.measured.push({ at: stepsOf(record), macs: undefined, measure, tuned: false });
    },
    diverged(record: RunRecord, { phase, step }: Fields) {
      const [where, at] = [textOf(phase), numberOf(step)];
      record.warning = `learning did harm at step ${at ?? "?"} of ${where === "prune" ? "pruning" : "fine-tuning"}, and was undone`;
    },
    unproved(record: RunRecord, { reason }: Fields) {
      record.warning = `the proof failed: ${textOf(reason) ?? ""}`;
    },
    lost(record: RunRecord, { machine }: Fields) {
      record.warning = `machine ${numberOf(machine) ?? "?"} was lost; its slice was not learned from`;
    },
  }),
);

function takeStep(record: RunRecord, { phase, step, steps, epoch, epochs, loss, learningRate }: Fields): void {
  const [name, done] = [textOf(phase), numberOf(step)];
  if (name === undefined || done === undefined) return;
  const before = record.step;
  // A phase that begins, or begins again as for each model of a search, goes on to the right of what there is.
  if (before && (before.phase !== name || done <= before.done)) record.offset += before.done;
  else if (!before && record.losses.length > 0) record.offset = record.losses.at(-1)![0];
  record.step = { phase: name, done, all: numberOf(steps) };
  const at = numberOf(epoch);
  if (at !== undefined) record.epoch = { done: at, all: numberOf(epochs) };
  record.learningRate = numberOf(learningRate) ?? record.learningRate;
  const value = numberOf(loss);
  if (value !== undefined) record.losses.push([record.offset + done, value]);
  if (record.time === undefined) return;
  const span: Span = { from: record.time, step: done };
  if (name === "prune") record.pruning ??= span;
  else if (!record.tuning || !before || before.phase !== name || done <= before.done) record.tuning = span;
}

/** Shows a model as it was behind so many removals. */
function standAt(record: RunRecord, removals: number | undefined): void {
  if (removals === undefined) return;
  record.removals = removals;
  for (const [name, { before }] of record.widths) record.widths.set(name, { name, before, left: before });
  for (const { step, macs, units, left } of record.gone) {
    if (step > removals) continue;
    for (const [name, each] of left) record.widths.set(name, { ...record.widths.get(name)!, left: each });
    if (macs !== undefined) record.costs = { start: record.costs?.start ?? macs, now: macs };
    if (units !== undefined) record.units = { start: record.units?.start ?? units, now: units };
  }
}

const stepsOf = (record: RunRecord): number => record.losses.at(-1)?.[0] ?? 0;

/** By what a model is judged: the metric that was asked for, top-1, agreement, or the loss. */
export function measureOf(evaluation: unknown): Measure | undefined {
  const { metric, top1, agreement, loss } = fieldsOf(evaluation);
  const own = fieldsOf(metric);
  const [name, value] = [textOf(own["name"]), numberOf(own["value"])];
  if (name !== undefined && value !== undefined) return { name, value, share: own["share"] === true };
  const [right, alike, lost] = [numberOf(top1), numberOf(agreement), numberOf(loss)];
  if (right !== undefined) return { name: "top-1", value: right, share: true };
  if (alike !== undefined) return { name: "agreement", value: alike, share: true };
  return lost === undefined ? undefined : { name: "loss", value: lost, share: false };
}

/** So many removals tell better how many there will be than what was reckoned at the start. */
const telling = 3;

/** Milliseconds that are left as the last line was written, as far as that can be told. */
export function timeLeft({
  step,
  time,
  pruning,
  tuning,
  schedule,
  removals,
  costs,
  target,
  tries,
}: RunRecord): number | undefined {
  if (!step || time === undefined) return undefined;
  if (step.phase === "prune") {
    if (!pruning || !schedule || removals < 1) return undefined;
    const each = (time - pruning.from) / removals;
    const done =
      costs && target !== undefined && target < costs.start ? (costs.start - costs.now) / (costs.start - target) : 0;
    const all = removals >= telling && done > 0 ? removals / Math.min(1, done) : schedule.removals;
    const tuned = (tries?.most ?? 1) * schedule.tuningSteps;
    return each * (Math.max(0, all - removals) + tuned / schedule.every);
  }
  const all = step.all ?? schedule?.tuningSteps;
  if (!tuning || all === undefined || step.done <= tuning.step) return undefined;
  const each = (time - tuning.from) / (step.done - tuning.step);
  const more = tries ? Math.max(0, tries.most - tries.done) * all : 0;
  return each * (Math.max(0, all - step.done) + more);
}
