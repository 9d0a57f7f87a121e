/** secateur inspect: what a model is made of and what of it could be pruned. */

import { z } from "zod";
import { flag, json, withGroup } from "../options/flag.ts";
import type { Command } from "commander";
import { inspect } from "../../jobs/inspect.ts";
import { load } from "../../jobs/load-node.ts";
import type { Cause } from "../../prune/causes.ts";
import type { Summary } from "../../prune/summary.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import type { Commands, Context } from "../context.ts";
import { withExample } from "../help.ts";
import { shapesOf, withShape, type ShapeFlags } from "../options/model.ts";
import { headed, printable, printJson, printStyled, short, table } from "../output.ts";
import { createProgress } from "../progress.ts";

function defineInspect(command: Command, context: Context): void {
  withGroup(command, "Output", [
    flag("--whole", z.boolean().describe("say of each group whether it can go as a whole")),
    json("print JSON"),
  ]);
  withExample(withShape(command), "secateur inspect model.onnx").action(
    async (path: string, flags: ShapeFlags & { whole?: boolean; json?: boolean }) => {
      using progress = createProgress("inspecting");
      const options = { ...shapesOf(flags, context), whole: flags.whole, runtime: nodeRuntime };
      const summary = await inspect(await load(path), options);
      progress.done();
      if (flags.json) printJson(summary);
      else printStyled(format(summary));
    },
  );
}

/** More reasons than this for one group say nothing further. */
const mostShown = 3;

/** Causes beyond these cost less than those. */
const mostCauses = 3;

/**
 * The last layer of a model is always held by its output; an output that holds more than this share of all
 * multiply-accumulates is worth a line.
 */
const largeOutput = 0.25;

function explain({ what, units, macs, params, advice }: Cause, summary: Summary): string[] {
  const all = [...summary.groups, ...summary.frozen].reduce((sum, group) => sum + group.units, 0);
  const costs = [
    ...(units > 0
      ? [`freezes ${units} of ${all} units, ${short(macs)} of ${short(summary.macs)} multiply-accumulates`]
      : []),
    ...(params > 0 ? [`holds ${short(params)} of ${short(summary.params)} parameters itself, which stay`] : []),
  ];
  const cost = `  ${what}\n    ${costs.join("; ")}`;
  return advice === undefined ? [cost] : [cost, `    ${advice}`];
}

function format(summary: Summary): string {
  const value = ({ name, dtype, shape }: Summary["inputs"][number]) => `${name} ${dtype}[${shape.join(", ")}]`;
  const asked = summary.groups.some(({ whole }) => whole);
  const groups = headed([
    ["group", "units", "parameters of each", "MACs of each", ...(asked ? ["whole"] : [])],
    ...summary.groups.map(({ name, units, saving, whole }) => [
      name,
      String(units),
      short(saving.params),
      short(saving.macs),
      ...(whole ? [whole.possible ? "can go" : "no"] : []),
    ]),
  ]);
  const lines = [
    table([
      ["opset", String(summary.opset)],
      ["nodes", String(summary.nodes)],
      ["parameters", short(summary.params)],
      ["MACs", short(summary.macs)],
      ["bytes", short(summary.bytes)],
    ]),
    ...(summary.refused.length > 0
      ? [`MACs are without those of ${countOf(summary.refused.length, "node")} refused below`]
      : []),
    `inputs   ${summary.inputs.map(value).join("; ")}`,
    `outputs  ${summary.outputs.map(value).join("; ")}`,
    "",
  ];
  const causes = summary.causes.filter(({ kind, macs, params }) =>
    kind === "output" ? macs > summary.macs * largeOutput : macs > 0 || params > 0,
  );
  if (causes.length > 0) {
    lines.push("what keeps units from being pruned:");
    for (const cause of causes.slice(0, mostCauses)) lines.push(...explain(cause, summary));
    const rest = causes.length - mostCauses;
    if (rest > 0) lines.push(`  and ${rest} more, which cost less (--json lists all)`);
    lines.push("");
  }
  if (summary.groups.length === 0) lines.push("no group of units can be pruned");
  else lines.push(groups);
  const inexact = summary.groups.filter((group) => group.inexact.length > 0);
  if (inexact.length > 0)
    lines.push(
      "",
      "removing is not zeroing:",
      ...inexact.map((group) => `  ${group.name}: ${group.inexact.slice(0, mostShown).join("; ")}`),
    );
  const staying = summary.groups.flatMap(({ name, whole }) => (whole?.reason ? [`  ${name}: ${whole.reason}`] : []));
  if (staying.length > 0) lines.push("", "a unit has to stay:", ...staying);
  if (summary.frozen.length > 0)
    lines.push(
      "",
      "frozen:",
      ...summary.frozen.map(({ name, units, reasons }) => `  ${name} (${units}): ${reasons.join("; ")}`),
    );
  if (summary.notFinite.length > 0)
    lines.push("", "not finite:", ...summary.notFinite.map(({ name, count, of }) => `  ${name}: ${count} of ${of}`));
  if (summary.refused.length > 0) lines.push("", "refused:", ...listRefused(summary));
  return lines.map((line) => (line === groups ? line : printable(line))).join("\n");
}

const countOf = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

/** One line for each reason, with the nodes that have it. */
function listRefused({ refused }: Summary): string[] {
  const byReason = new Map<string, string[]>();
  for (const { node, reason } of refused) byReason.set(reason, [...(byReason.get(reason) ?? []), node]);
  return [...byReason].map(([reason, nodes]) => {
    const more = nodes.length > mostShown ? ` and ${nodes.length - mostShown} more` : "";
    return `  ${nodes.slice(0, mostShown).join(", ")}${more}: ${reason}`;
  });
}

export const commands: Commands = { inspect: defineInspect };
