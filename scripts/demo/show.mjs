/** How the demo shows two models beside each other: a table, and a picture of the widths of their layers in characters. */

import { intervalOf } from "../../dist/evaluate/intervals.js";

const percent = (share) => (100 * share).toFixed(2);
const signed = (points) => (points < 0 ? "" : "+") + points.toFixed(2);

/** What a net and a smaller one cost and can do, with intervals of 95 %, by what {@link compare} found. */
export function table({ before, after, data, latency }) {
  const cost = (name, key) => {
    const [was, is] = [before[key], after[key]];
    return [name, was.toLocaleString("en-US"), is.toLocaleString("en-US"), `${(is / was).toFixed(2)} x`];
  };
  const accuracy = ({ top1 }) => {
    const { low, high } = intervalOf(top1, data.samples);
    return `${percent(top1)} % (${percent(low)} to ${percent(high)})`;
  };
  const time = ({ median, low, high }) => `${median.toFixed(3)} ms (${low.toFixed(3)} to ${high.toFixed(3)})`;
  const { low, high } = data.dropInterval;
  const rows = [
    ["", "before", "after", "after / before"],
    cost("parameters", "params"),
    cost("multiply-accumulates", "macs"),
    cost("bytes", "bytes"),
    ["latency of one digit", ...latency.map(time), `${(latency[1].median / latency[0].median).toFixed(2)} x`],
    [
      `top-1 of ${data.samples.toLocaleString("en-US")} digits`,
      ...data.quality.map(accuracy),
      `${signed(-data.drop)} points (${signed(-high)} to ${signed(-low)})`,
    ],
  ];
  const columns = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(columns[i]) : cell.padStart(columns[i] + 2))).join(""))
    .join("\n");
}

const widest = 48;

/** A bar for each layer: what is left of its neurons in full, what is gone in shade. */
export function widths({ groups }) {
  const unit = widest / Math.max(...groups.map(({ before }) => before));
  const name = Math.max(...groups.map((group) => group.name.length));
  return groups
    .map(({ name: of, before, after = 0 }) => {
      const left = "█".repeat(Math.round(after * unit));
      return `${of.padEnd(name)}  ${left.padEnd(Math.round(before * unit), "░")} ${after} of ${before}`;
    })
    .join("\n");
}
