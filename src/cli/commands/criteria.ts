/** secateur criteria: what tells importance. */

import { json, withGroup } from "../options/flag.ts";
import type { Command } from "commander";
import { criteriaRows } from "../../report/criteria.ts";
import type { Commands } from "../context.ts";
import { withExample } from "../help.ts";
import { print, printJson } from "../output.ts";

function defineCriteria(command: Command): void {
  withExample(withGroup(command, "Output", [json("print JSON")]), "secateur criteria --json").action(
    ({ json }: { json?: boolean }) => {
      const rows = criteriaRows();
      if (json) {
        printJson(rows.map(([name, cost, summary]) => ({ name, cost, summary })));
        return;
      }
      const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
      for (const [name, cost, summary] of rows)
        print(`${name!.padEnd(widths[0]!)}  ${cost!.padEnd(widths[1]!)}  ${summary}`);
    },
  );
}

export const commands: Commands = { criteria: defineCriteria };
