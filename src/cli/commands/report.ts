/** secateur report: the record of a run for people, for TensorBoard, and as JSON for other programs. */

import { type Command, Option } from "commander";
import { removalRows } from "../../report/story.ts";
import { note, printJson } from "../output.ts";

interface ReportFlags {
  readonly output?: string;
  readonly json?: boolean;
}

export function addReport(program: Command): void {
  program
    .command("report <run>")
    .description("write what a run of prune did, finished or not, as a page and as events for TensorBoard")
    .option("-o, --output <file>", "the page to write (default: report.html in the run)")
    .addOption(
      new Option("--json", "print what was reached and a row for each removal, and write nothing").conflicts("output"),
    )
    .action(async (dir: string, { output, json }: ReportFlags) => {
      const { readRun, writeReport } = await import("../../report/report-node.ts");
      if (json === true) {
        const { records, summary } = await readRun(dir);
        printJson({ summary: summary ?? null, removals: removalRows(records) });
      } else note(`-> ${await writeReport(dir, output)}, and events for TensorBoard -> ${dir}`);
    });
}
