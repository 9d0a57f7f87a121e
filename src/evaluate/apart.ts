/** How far the outputs of one model are from another's, output by output and by a loss. */

import type { Batch } from "../data/batches.ts";
import { namedInputs } from "../execute/feeds.ts";
import { fail } from "../graph/error.ts";
import type { Graph } from "../graph/graph.ts";
import { termsOf, type Term } from "../objective/terms.ts";
import type { Loss } from "../options/loss.ts";
import { widen } from "../passes/widen.ts";
import type { MachineOptions, Runtime, Tensors } from "../runtime/port.ts";
import { isClassifier, type Besides } from "./evaluation-graph.ts";
import { agreementOf, keepersOf, type Kept } from "./kept.ts";
import { openLossMeter } from "./loss-meter.ts";
import type { Answers } from "./meter.ts";

interface Found {
  readonly outputs?: Readonly<Record<string, Kept>>;
  readonly agreement?: number | undefined;
  readonly divergence?: number | undefined;
}

export interface Apart extends AsyncDisposable {
  /** What the models have to put out for it. */
  readonly besides: Besides;
  /** Whether all that is compared is the class of a sample, or of a place. */
  readonly ofClassifiers: boolean;
  readonly hasSeveral: boolean;
  add(answers: readonly [before: Answers, after: Answers], batch: Batch): Promise<void>;
  /** Nothing where nothing was added. */
  found(samples: number): Found;
}

export interface ApartOptions extends MachineOptions {
  readonly loss: Loss;
  readonly distance?: Loss | undefined;
}

/** @param graphs the models with open batches */
export function openApart(
  runtime: Runtime,
  graphs: readonly [before: Graph, after: Graph],
  { loss, distance = loss, device, threads, signal }: ApartOptions,
): Apart {
  const [wide, other] = [widen(graphs[0]), widen(graphs[1])];
  const terms = [termsOf(wide, distance), termsOf(other, distance)] as const;
  requireSameEnds(terms);
  const keepers = keepersOf(wide, terms[0]);
  const meter = openLossMeter(runtime, { terms: terms[0], files: [] }, { device, threads, signal }, "teacher");
  const ofClassifiers = isClassifier(terms[0]);
  const hasSeveral = wide.outputs.length > 1;
  const all = hasSeveral || !ofClassifiers;
  let [sum, isAdded] = [0, false];
  return {
    besides: { all, distance },
    ofClassifiers,
    hasSeveral,
    async add([before, after], batch) {
      isAdded = true;
      const looked = valuesOf(terms, [before.results, after.results]);
      if (terms[0].length > 0)
        sum += batch.size * (await meter.lossOf({ ...namedInputs(wide, batch), ...looked[1] }, batch, looked[0]))!;
      keepers.forEach((keeper, i) => keeper.add(before.outputs[i]!, after.outputs[i]!));
    },
    found(samples) {
      if (!isAdded) return {};
      const outputs = Object.fromEntries(keepers.map(({ name, kept }) => [name, kept()]));
      const agreement = agreementOf(outputs);
      return { outputs, agreement, ...(terms[0].length > 0 && { divergence: sum / samples }) };
    },
    [Symbol.asyncDispose]: () => meter[Symbol.asyncDispose](),
  };
}

/** What both models put out, by the names that it has in the first. */
function valuesOf(
  [a, b]: readonly [readonly Term[], readonly Term[]],
  [before, after]: readonly [Tensors, Tensors],
): readonly [Tensors, Tensors] {
  const named = (terms: readonly Term[], results: Tensors): Tensors =>
    Object.fromEntries(a.map(({ value }, i) => [value, results[terms[i]!.value]!]));
  return [named(a, before), { ...after, ...named(b, after) }];
}

/** One model's probabilities and the other's logits are no same thing. */
function requireSameEnds([a, b]: readonly [readonly Term[], readonly Term[]]): void {
  const isOther = a.findIndex(({ undo }, i) => undo !== b[i]!.undo);
  if (isOther >= 0)
    fail("bad-model", `the models cannot be compared: their outputs "${a[isOther]!.output}" do not end alike`);
}
