/**
 * Draws the widths of the layers of two models beside each other, as SVG.
 *
 * Usage: node scripts/picture.mjs BEFORE.onnx AFTER.onnx "Title" OUT.svg
 */

import { writeFileSync } from "node:fs";
import { readModelFile } from "../dist/graphs-node.js";
import { summarise } from "../dist/prune/summary.js";

const [before, after, title, output] = process.argv.slice(2);
if (output === undefined) {
  console.error('usage: node scripts/picture.mjs BEFORE.onnx AFTER.onnx "Title" OUT.svg');
  process.exit(2);
}
const [old, now] = await Promise.all([before, after].map(async (path) => summarise(await readModelFile(path))));
const left = new Map(now.groups.map(({ name, units }) => [name, units]));
const groups = old.groups.map(({ name, units }) => ({ name, units, stay: left.get(name) ?? 1 }));

const [width, row, label, top] = [760, 24, 190, 56];
const largest = Math.max(...groups.map(({ units }) => units));
const scale = (width - label - 90) / largest;
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const height = top + groups.length * row + 16;
const bars = groups.map(({ name, units, stay }, i) => {
  const y = top + i * row;
  return [
    `<text x="${label - 10}" y="${y + 14}" text-anchor="end">${escape(name)}</text>`,
    `<rect x="${label}" y="${y + 3}" width="${(units * scale).toFixed(1)}" height="${row - 8}" rx="2" fill="#d8dee4"/>`,
    `<rect x="${label}" y="${y + 3}" width="${(stay * scale).toFixed(1)}" height="${row - 8}" rx="2" fill="#2f7d4f"/>`,
    `<text x="${(label + units * scale + 8).toFixed(1)}" y="${y + 14}">${stay} of ${units}</text>`,
  ].join("\n");
});
writeFileSync(
  output,
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="#24292f">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="24" font-size="15" font-weight="600">${escape(title)}</text>
<text x="16" y="43" fill="#57606a">units of each group: green stay, grey are removed</text>
${bars.join("\n")}
</svg>
`,
);
