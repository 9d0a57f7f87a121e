/** secateur criteria: what tells importance. */

import type { Command } from "commander";
import { criteriaRows } from "../../report/criteria.ts";
import { withExample } from "../help.ts";
import { print, printJson } from "../output.ts";

export function addCriteria(program: Command): void {
  withExample(program.command("criteria"), "secateur criteria --json")
    .description("list the criteria of importance, what each takes for a minibatch, and what it is")
    .option("--json", "print JSON")
    .action(({ json }: { json?: boolean }) => {
      const rows = criteriaRows();
      if (json) {
        printJson(rows.map(([name, cost, summary]) => ({ name, cost, summary })));
        return;
      }
      const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
      for (const [name, cost, summary] of rows)
        print(`${name!.padEnd(widths[0]!)}  ${cost!.padEnd(widths[1]!)}  ${summary}`);
    });
}
