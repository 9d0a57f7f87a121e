/** How much each unit matters: by weights at once, by data where there is some. */

import { score, SecateurError } from "secateur";
import { criteria } from "secateur/graph";
import type { Calls, Calling, ScoresView } from "./calls.ts";
import { dataFor } from "./data.ts";
import { opened } from "./models.ts";
import { inWords, machine, runtime } from "./runtime.ts";

let latest:
  | { readonly of: object; readonly scores: ReadonlyMap<string, Float64Array>; readonly criterion: string }
  | undefined;

/** The scores of the model that is open; magnitude where it has none yet. */
export function scoresNow(): { readonly scores: ReadonlyMap<string, Float64Array>; readonly criterion: string } {
  const { model, analysis } = opened();
  if (latest?.of === model) return latest;
  const criterion = criteria.get("magnitude")!;
  if (criterion.kind !== "weights") throw new SecateurError("internal", "magnitude needs no data");
  latest = { of: model, scores: criterion.score(analysis, analysis.graph.initializers, 0), criterion: criterion.name };
  return latest;
}

export async function scoreModel(request: Calls["score"]["args"], { signal, progress }: Calling): Promise<ScoresView> {
  const { model } = opened();
  const started = performance.now();
  const needsData = criteria.get(request.criterion)?.kind === "data";
  const data = needsData ? dataFor(model) : undefined;
  const job = score(model, {
    criterion: request.criterion as "taylor-fo",
    ...(data && { data: data.dataset, targets: data.labelled ? "labels" : "sampled" }),
    batchSize: request.batchSize,
    batches: request.batches,
    runtime: await runtime(),
    ...(request.device === "webgpu" && { device: "webgpu" }),
    signal,
    onEvent: ({ done, all }) => progress({ done, ...(all !== undefined && { all }) }),
  });
  const scores = (await job) as ReadonlyMap<string, Float64Array>;
  latest = { of: model, scores, criterion: request.criterion };
  return {
    criterion: request.criterion,
    groups: Object.fromEntries(scores),
    seconds: (performance.now() - started) / 1000,
    machine: needsData ? inWords(await machine(), request.device) : "weights alone",
  };
}
