/** secateur report: the record of a run for people, for TensorBoard, and as JSON for other programs. */

import { type Command, Option } from "commander";
import { epochRows, removalRows } from "../../report/story.ts";
import { withExample } from "../help.ts";
import { note, printJson } from "../output.ts";

interface ReportFlags {
  readonly output?: string;
  readonly json?: boolean;
}

export function addReport(program: Command): void {
  withExample(program.command("report <run>"), "secateur report small.run -o small.html")
    .description(
      "write what a run of prune, train or finetune did, finished or not, as a page and as events for TensorBoard",
    )
    .option("-o, --output <file>", "the page to write (default: report.html in the run)")
    .addOption(
      new Option("--json", "print what was reached and a row for each removal or epoch, and write nothing").conflicts(
        "output",
      ),
    )
    .action(async (dir: string, { output, json }: ReportFlags) => {
      const { readRun, writeReport } = await import("../../report/report-node.ts");
      if (json === true) {
        const { config, records, summary } = await readRun(dir);
        const rows = config.command === "prune" ? { removals: removalRows(records) } : { epochs: epochRows(records) };
        printJson({ summary: summary ?? null, ...rows });
      } else note(`-> ${await writeReport(dir, output)}, and events for TensorBoard -> ${dir}`);
    });
}
