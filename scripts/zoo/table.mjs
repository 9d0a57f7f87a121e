/** docs/zoo.md: one table of all networks, then what each refused. */

import { wrap } from "../lib/wrap.mjs";

const limits = { law: 1e-5, gradient: 1e-3 };

const short = (n) => {
  for (const [unit, size] of [
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ])
    if (n >= size) return `${(n / size).toPrecision(3)} ${unit}`;
  return String(n);
};
const science = (text) => (Number.isFinite(Number(text)) ? Number(text).toExponential(1) : "∞");
const pair = (part, show) => (part ? `${show(part.before)} → ${show(part.after)}` : "");
const failing = (value, limit) => (Number(value) <= limit ? science(value) : `**${science(value)}**`);

const columns = {
  network: ({ name }) => name,
  "opset, form": ({ analyse, form }) => [analyse?.opset, form].filter(Boolean).join(", "),
  input: ({ analyse }) => analyse?.input.join(", ") ?? "",
  nodes: ({ analyse }) => analyse?.nodes ?? "",
  "groups (units)": ({ analyse }) => (analyse ? `${analyse.groups} (${analyse.units})` : ""),
  frozen: ({ analyse }) => analyse?.frozen.length ?? "",
  refused: ({ analyse }) => analyse?.refused.length ?? "",
  parameters: ({ costs }) => pair(costs, ({ params }) => short(params)),
  MACs: ({ costs }) => pair(costs, ({ macs }) => short(macs)),
  "cut − mask": ({ law, errors }) =>
    law
      ? `${failing(law.difference, limits.law)}${law.between.length > 0 ? ` (${law.between.length})` : ""}`
      : failed(errors.law),
  gradient: ({ gradient, errors, form }) =>
    gradient
      ? failing(gradient.error, limits.gradient)
      : form === undefined && !errors.gradient
        ? "–"
        : failed(errors.gradient),
  "latency, ms": ({ latency, errors }) => (latency ? pair(latency, (ms) => ms.toPrecision(3)) : failed(errors.latency)),
  "seconds to analyse": ({ analyse }) => analyse?.seconds.total.toFixed(2) ?? "",
};

const failed = (error) => (error === undefined ? "" : "**failed**");

/** Names in quotes differ where the reason is the same. */
const general = (reason) =>
  reason
    .replace(/"[^"]*"/g, "…")
    .replace(/-> \S+/g, "-> …")
    .replace(/axis \d+/g, "axis …");

/** Lists of things that have the same reason, with an example of each. */
function grouped(items, reasonOf, count) {
  const found = new Map();
  for (const item of items) {
    const key = general(reasonOf(item));
    found.set(key, [...(found.get(key) ?? []), item]);
  }
  return [...found.values()]
    .sort((a, b) => b.length - a.length)
    .map((list) => `  - ${count(list)}: ${reasonOf(list[0])}`.replaceAll("|", "\\|"));
}

function details(row) {
  const { analyse, law, gradient, errors, note } = row;
  const lines = [];
  if (note) lines.push(`- ${note}`);
  for (const [stage, why] of Object.entries(errors)) lines.push(`- **${stage} failed**: ${why}`);
  if (analyse?.frozen.length > 0) {
    lines.push("- frozen:");
    const units = (list) => list.reduce((n, one) => n + one.units, 0);
    const name = (list) => `\`${list[0].name}\`${list.length > 1 ? ` and ${list.length - 1} more` : ""}`;
    lines.push(
      ...grouped(
        analyse.frozen,
        ({ reasons }) => reasons.join("; "),
        (list) => `${name(list)} (${units(list)} units)`,
      ),
    );
  }
  if (analyse?.refused.length > 0) {
    lines.push("- refused:");
    lines.push(
      ...grouped(
        analyse.refused,
        ({ op, reason }) => `${op}: ${reason}`,
        (list) => `${list.length} nodes`,
      ),
    );
  }
  if (analyse?.inexact.length > 0) {
    const reasons = analyse.inexact.flatMap((group) => group.reasons);
    lines.push(`- ${analyse.inexact.length} groups where removing is not zeroing, compared operator by operator:`);
    lines.push(
      ...grouped(
        [...new Set(reasons)],
        (reason) => reason,
        (list) => `${list.length} nodes`,
      ),
    );
  }
  if (law?.mismatch)
    lines.push(`- cut and mask differ first at ${law.mismatch.node} by ${science(law.mismatch.difference)}`);
  const plain = row["as it is"];
  if (plain && !(Number(plain.difference) <= limits.law))
    lines.push(`- with the weights of the file, all one number: cut and mask differ by ${science(plain.difference)}`);
  if (law?.notFinite > 0) lines.push(`- ${law.notFinite} of ${law.elements} elements compared are not finite`);
  if (gradient && !(Number(gradient.error) <= limits.gradient))
    lines.push(
      `- largest gradient errors: ${gradient.worst.join(", ")}; PyTorch's own gradients in float32 are ` +
        `${science(gradient.float32)} from those in float64`,
    );
  if (gradient?.missing.length > 0) lines.push(`- no gradient was given for ${gradient.missing.join(", ")}`);
  if (gradient?.unmatched.length > 0)
    lines.push(`- initializers that are no parameter of PyTorch's, not compared: ${gradient.unmatched.length}`);
  return lines.length > 0 ? `### ${row.name}\n\n${lines.join("\n")}\n` : "";
}

export function document({ command, date, versions, processor, rows }) {
  const names = Object.keys(columns);
  const table = [names, names.map(() => "---"), ...rows.map((row) => names.map((name) => columns[name](row)))];
  const used = Object.entries(versions)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
  return wrap(`# Zoo

${rows.length} networks of PyTorch, with random weights: what can be pruned of each, whether the cut network computes what the masked one does, and whether gradients are those of PyTorch.
**All figures are of Secateur ${versions.secateur}.** They were made on ${date} by \`${command}\` (${used}; ${processor}). What a later version freezes or refuses may differ; that command makes the page anew.

All data is in [zoo.json](zoo.json). What becomes of files as today's exporters write them is in [zoo-written.md](zoo-written.md).

- **form**: \`kept\` has BatchNormalization, and computations on shapes and weights, in the file; \`folded\` is the exporter's
  default.
- **nodes**: after sizes are settled. **groups (units)**: what can be pruned. **frozen**: groups that cannot. **refused**:
  nodes that have no rule. The reasons are below.
- **parameters** and **MACs**: of one sample, before and after \`--ratio 0.5 --scope local\`, by magnitude.
- **cut − mask**: the largest difference of the cut and the masked network on random inputs, as a share of the largest
  output (at most ${limits.law}). A number in brackets says at how many operators removing is not zeroing, such as a norm
  over what is cut. There every stretch between them is compared, and the figure is the largest of all.
- **gradient**: the largest relative error of a parameter's gradient against PyTorch's in float64 (at most ${limits.gradient}),
  in inference mode. Parameters whose gradient is below 1e-6 of the largest are left out.
- **latency**: median at batch 1 on all threads, before and after the same cut with \`--round-to 8\`, in turns.
- **seconds to analyse**: reading the file, settling sizes, and finding the groups.

A figure in bold misses its limit.

${table.map((line) => `| ${line.join(" | ")} |`).join("\n")}

## What was frozen, refused and failed

${rows.map(details).filter(Boolean).join("\n")}`);
}
