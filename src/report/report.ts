/** The record of a run as a page: one file that needs no network and no script. */

import { learnedPage } from "./learned.ts";
import { pageOf } from "./page.ts";
import { prunedPage } from "./pruned.ts";
import type { LearnSummary, PruneSummary, RunConfig, RunRecord, RunSummary } from "./record.ts";

/**
 * A self-contained HTML page of a run, finished or not.
 *
 * @param summary what was reached; there when the run is finished
 */
export function reportPage(config: RunConfig, records: readonly RunRecord[], summary?: RunSummary): string {
  const model = config.model.path.split(/[/\\]/).at(-1)!;
  const page =
    config.command === "prune"
      ? prunedPage(model, config, records, summary as PruneSummary | undefined)
      : learnedPage(model, config, records, summary as LearnSummary | undefined);
  return pageOf(page, config, records, summary);
}
