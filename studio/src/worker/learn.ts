/** Pruning with learning in between, and fine-tuning after it, on the data that was dropped. */

import { encodeModel, prune, split, type PruneEvent, type PruneOutcome } from "secateur";
import type { Calling, Calls, LearnView } from "./calls.ts";
import { dataFor } from "./data.ts";
import { opened } from "./models.ts";
import { inWords, machine, runtime } from "./runtime.ts";

/** The part of the data that tells how good the result is, and is not learned from. */
const heldOutShare = 0.2;

export async function learnModel(request: Calls["learn"]["args"], { signal, progress }: Calling): Promise<LearnView> {
  const { model, analysis } = opened();
  const { dataset, labelled } = dataFor(model);
  const { rest, heldOut } = split(dataset, heldOutShare, 0);
  const started = performance.now();
  const on = await runtime();
  let [share, steps] = [1, 0];
  const tell = (event: PruneEvent): void => {
    if (event.kind === "phase") progress({ done: 0, what: event.phase });
    if (event.kind === "trial") progress({ done: event.done, all: event.all, what: "finding a learning rate" });
    if (event.kind === "minibatches" || event.kind === "samples")
      progress({ done: event.done, ...(event.all !== undefined && { all: event.all }), what: "measuring" });
    if (event.kind === "removal") share = event.costs[request.kind] / analysis.costs[request.kind];
    if (event.kind !== "step") return;
    steps++;
    progress({
      done: event.step,
      ...(event.steps !== undefined && { all: event.steps }),
      what: event.phase === "prune" ? "pruning" : "fine-tuning",
      point: { step: steps, loss: event.loss, share },
    });
  };
  const outcome = await prune(model, {
    data: rest,
    validation: heldOut,
    targets: labelled ? "labels" : "teacher",
    budget: { [request.kind]: request.share },
    criterion: request.criterion as "taylor-fo",
    epochs: request.epochs,
    batchSize: request.batchSize,
    runtime: on,
    ...(request.device === "webgpu" && { device: "webgpu" }),
    signal,
    onEvent: tell,
  });
  const bytes = encodeModel(outcome.model);
  return {
    model: bytes.slice().buffer,
    words: wordsOf(outcome),
    end: outcome.end,
    before: outcome.before.costs,
    after: outcome.after.costs,
    seconds: (performance.now() - started) / 1000,
    machine: inWords(await machine(), request.device),
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** How good the model was and is, on what was held out. */
function wordsOf({ before, after }: PruneOutcome): string {
  const [old, now] = [before.evaluation, after.evaluation];
  if (old?.top1 !== undefined && now?.top1 !== undefined)
    return `top-1 on ${now.samples} samples that were held out: ${percent(old.top1)} before, ${percent(now.top1)} after`;
  if (now?.agreement !== undefined)
    return `${percent(now.agreement)} of the original's decisions are kept on ${now.samples} samples that were held out`;
  return now?.loss === undefined ? "nothing was held out to measure it" : `the loss is ${now.loss.toPrecision(3)}`;
}
