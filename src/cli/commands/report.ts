/** secateur report: the record of a run for people, for TensorBoard, and as JSON for other programs. */

import { json, output, withGroup } from "../options/flag.ts";
import type { Command } from "commander";
import { epochRows, removalRows } from "../../report/run-history.ts";
import type { Commands } from "../context.ts";
import { withExample } from "../help.ts";
import { note, printJson } from "../output.ts";

interface ReportFlags {
  readonly output?: string;
  readonly json?: boolean;
}

function defineReport(command: Command): void {
  withGroup(command, "Output", [
    output("the page to write (default: report.html in the run)"),
    json("print what was reached, and write nothing").conflicts("output"),
  ]);
  withExample(command, "secateur report small.run -o small.html").action(
    async (dir: string, { output, json }: ReportFlags) => {
      const { readRun, writeReport } = await import("../../report/report-node.ts");
      if (json === true) {
        const { config, records, summary } = await readRun(dir);
        const rows = config.command === "prune" ? { removals: removalRows(records) } : { epochs: epochRows(records) };
        printJson({ summary: summary ?? null, ...rows });
      } else note(`-> ${(await writeReport(dir, output)).path}, and events for TensorBoard -> ${dir}`);
    },
  );
}

export const commands: Commands = { report: defineReport };
