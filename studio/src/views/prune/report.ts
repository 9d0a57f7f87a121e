/** One page that tells what was cut, to be kept beside the model. */

import { bytes, milliseconds, percent, short } from "../../parts/format.ts";
import type { Choice, CutView, LatencyView, NetworkView } from "../../worker/calls.ts";

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const row = (cells: readonly string[], head = false): string =>
  `<tr>${cells.map((cell, i) => (head || i === 0 ? `<th>${cell}</th>` : `<td>${cell}</td>`)).join("")}</tr>`;

export function reportOf(
  network: NetworkView,
  { before, after, plan, difference, elements }: CutView,
  choice: Choice,
  latency: LatencyView | undefined,
): string {
  const name = escaped(network.name);
  const { remove } = JSON.parse(plan) as { remove: Record<string, number[]> };
  const costs = [
    row(["", "before", "after", "left"], true),
    row(["Multiply-accumulates", short(before.macs), short(after.macs), percent(after.macs / before.macs)]),
    row(["Parameters", short(before.params), short(after.params), percent(after.params / before.params)]),
    row(["Weights", bytes(before.bytes), bytes(after.bytes), percent(after.bytes / before.bytes)]),
    ...(latency
      ? [
          row([
            `Latency (${escaped(latency.machine)})`,
            milliseconds(latency.before.median),
            milliseconds(latency.after.median),
            percent(latency.ratio),
          ]),
        ]
      : []),
  ];
  const widths = network.vertices
    .filter(({ kind }) => kind === "group")
    .map((group) =>
      row([escaped(group.name), String(group.units), String(group.units - (remove[group.name]?.length ?? 0))]),
    );
  const proof =
    difference === undefined
      ? "It was not proved."
      : `${elements} numbers of the cut model and of the original with these units at zero differ by ` +
        `${difference.toPrecision(3)} of the largest at most.`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name}, cut by Secateur</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { text-align: left; padding: .2rem 1.5rem .2rem 0; }
th { font-weight: 600; overflow-wrap: anywhere; }
</style>
<h1>${name}</h1>
<p>Cut to ${percent(choice.share, 0)} of its ${choice.kind}. ${proof}</p>
<table>${costs.join("\n")}</table>
<h2>Widths</h2>
<table>${[row(["group", "before", "after"], true), ...widths].join("\n")}</table>
<h2>The plan</h2>
<p>The same model by the command line: save this as plan.json, then
<code>npx secateur cut ${name} --plan plan.json -o small.onnx</code></p>
<pre>${escaped(plan)}</pre>
</html>
`;
}
