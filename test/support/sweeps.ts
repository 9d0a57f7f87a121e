/** What sweeps in a folder come to, but for what no two runs have in common. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The words of a sweep of four prunings of `trained.onnx`, on digits of the folder that it runs in. */
export const fourRuns = (folder: string, dir: string, ...more: string[]): string[] => [
  ..."sweep trained.onnx --batch-size 32 --epochs 1 --learning-rate 0.01 --prune-learning-rate 0.01".split(" "),
  ..."--threads 1 --macs 0.7 --macs 0.4 --criterion taylor-fo --criterion magnitude".split(" "),
  "--data",
  `mnist:${folder}`,
  "-o",
  dir,
  ...more,
];

/** The rows of a sweep but for latencies, and where files lie. */
export const rowsIn = (folder: string, dir: string): string[] =>
  readFileSync(join(folder, dir, "runs.csv"), "utf8")
    .replaceAll(`${dir}/`, "")
    .split("\n")
    .map((line) => line.split(",").toSpliced(-3, 1).join(","));
