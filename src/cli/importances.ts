/** Importances as files of JSON, whoever measured them. */

import type { Scores } from "../criteria/criterion.ts";
import { writeFileAtomic } from "../onnx/atomic-node.ts";
import { note } from "./output.ts";

/** What importances are of, in the words of options. */
export interface Measured {
  readonly criterion: string;
  readonly gates: string;
  readonly targets: string;
}

/** The JSON of importances. */
export const importancesOf = (scores: Scores, { criterion, gates, targets }: Measured) => ({
  criterion,
  gates,
  targets,
  groups: Object.fromEntries([...scores].map(([name, values]) => [name, [...values]])),
});

/** Writes importances to a file, and says so. */
export async function writeImportances(file: string, scores: Scores, of: Measured): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(importancesOf(scores, of))}\n`);
  note(`importances of ${scores.size} groups -> ${file}`);
}
