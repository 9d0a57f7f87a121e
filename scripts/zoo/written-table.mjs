/** docs/zoo-written.md: what becomes of files as exporters write them. */

import { wrap } from "../lib/wrap.mjs";

const short = (n) =>
  n >= 1e6 ? `${(n / 1e6).toPrecision(3)} M` : n >= 1e3 ? `${(n / 1e3).toPrecision(3)} k` : String(n);
const percent = (share) => `${(100 * share).toFixed(0)} %`;
const cell = (text) => String(text).replaceAll("|", "\\|").replaceAll("\n", " ");

const columns = {
  file: ({ name }) => name,
  opset: ({ inspect }) => inspect?.opset ?? "",
  parameters: ({ inspect }) => (inspect ? short(inspect.params) : ""),
  "units (groups)": ({ inspect }) => (inspect ? `${inspect.units} (${inspect.groups})` : ""),
  frozen: ({ inspect }) => (inspect ? inspect.frozen.reduce((n, { units }) => n + units, 0) : ""),
  "MACs left": ({ cut }) => (cut ? percent(cut.macs) : ""),
  proof: ({ cut }) => (cut ? cut.proof.toExponential(1) : ""),
  "cut − mask": ({ run }) => (run ? (run.difference === null ? "by the proof" : run.difference.toExponential(1)) : ""),
  "ran at": ({ run }) => (run ? run.ran.length : ""),
  failed: ({ errors }) =>
    Object.entries(errors)
      .map(([stage, why]) => `**${stage}**: ${cell(why).slice(0, 160)}`)
      .join("; "),
};

export function writtenPage({ command, date, secateur, node, processor, rows }) {
  const exported = rows.filter(({ errors }) => errors.export === undefined);
  const good = exported.filter(({ errors }) => Object.keys(errors).length === 0);
  const names = Object.keys(columns);
  const table = [names, names.map(() => "---"), ...exported.map((row) => names.map((name) => columns[name](row)))];
  const why = exported
    .filter(({ inspect }) => inspect?.frozen.length > 0)
    .map(({ name, inspect }) => {
      const reasons = new Map();
      for (const { units, reason } of inspect.frozen) reasons.set(reason, (reasons.get(reason) ?? 0) + units);
      const most = [...reasons].sort((a, b) => b[1] - a[1]).slice(0, 3);
      return `- \`${name}\`: ${most.map(([reason, units]) => `${units} units: ${reason}`).join("; ")}`;
    });
  const lost = rows.filter(({ errors }) => errors.export !== undefined);
  return wrap(`# Files as exporters write them

${good.length} of ${exported.length} files are cut and run wherever the original runs.

Made by \`${command}\` on ${date} (secateur ${secateur}, node ${node}; ${processor}). All data is in [zoo-written.json](zoo-written.json).

Each file is NET.EXPORTER.FORM, written by \`scripts/zoo/exports.py\` with random weights. \`ts\` is \`torch.onnx.export(dynamo=False)\`, \`dynamo\` the default exporter. \`fixed\` has a batch of 1, \`batch\` an open one, \`open\` open lengths, heights and widths too.

A third of the units of each group goes, by magnitude. The original, the cut and the mask then run at batch 1, 2 and 5, and at a second length or size.

- **frozen**: units that cannot go; the reasons are below.
- **proof**: the largest difference that \`cut\` found between what it wrote and zeroing, as a share of the range.
- **cut − mask**: the same for the outputs at every size tried. Groups where removing is not zeroing are left out; the proof compares them piece by piece.
- **ran at**: how many batches and sizes all of them ran at.

${table.map((line) => `| ${line.join(" | ")} |`).join("\n")}

## What is frozen, and why

${why.join("\n")}

## What the exporters refused

${lost.map(({ name, errors }) => `- \`${name}\`: ${errors.export}`).join("\n")}
`);
}
