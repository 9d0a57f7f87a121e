/** The tables of docs/performance.md, from all results there are. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const results = new URL("../results/", import.meta.url);
const page = new URL("../../docs/performance.md", import.meta.url);
const order = ["resnet56", "resnet18", "resnet50", "mobilenet_v2", "vgg11_bn", "resnet152", "swin_t"];

const times = (ratio) => (ratio === undefined ? "" : `${ratio.toFixed(2)}x`);
const gigabytes = (bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
const percent = (share) => `${(100 * share).toFixed(1)} %`;

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function besideTable(rows) {
  const head = [
    "network",
    "threads",
    "Secateur",
    "PyTorch",
    "ratio",
    "aim",
    "without weight gradients",
    "memory",
    "of PyTorch's",
  ];
  return table(
    head,
    rows.map((row) => [
      row.net,
      row.threads,
      `${row.imagesPerSecond.ours.toFixed(1)} images/s`,
      row.imagesPerSecond.torch.toFixed(1),
      times(row.ratio),
      times(row.target),
      times(row.leanRatio),
      gigabytes(row.memory.ours),
      times(row.memoryRatio),
    ]),
  );
}

const forms = {
  score: besideTable,
  train: besideTable,
  analysis: (rows) =>
    table(
      ["network", "nodes", "groups", "units", "median", "first time", "aim"],
      rows.map((row) => [
        row.net,
        row.nodes,
        row.groups,
        row.units,
        `${(row.ms.ours / 1000).toFixed(2)} s`,
        `${(row.ms.first / 1000).toFixed(2)} s`,
        `${row.target} s`,
      ]),
    ),
  latency: (rows) =>
    table(
      ["network", "threads", "rounded to", "MACs", "latency", "of MACs"],
      rows.flatMap((row) =>
        row.rows.map(({ roundTo, macs, latency, ms }) => [
          row.net,
          row.threads,
          roundTo,
          percent(macs),
          `${percent(latency)} (${ms.toFixed(2)} of ${row.ms.whole.toFixed(2)} ms)`,
          times(latency / macs),
        ]),
      ),
    ),
};

/** Puts each table between its marks, `<!-- NAME -->` and `<!-- /NAME -->`. */
export function writeTables() {
  const all = readdirSync(results)
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(new URL(name, results), "utf8")))
    .toSorted((a, b) => order.indexOf(a.net) - order.indexOf(b.net) || b.threads - a.threads);
  let text = readFileSync(page, "utf8");
  for (const [what, form] of Object.entries(forms)) {
    const rows = all.filter((row) => row.what === what);
    const [from, to] = [`<!-- ${what} -->`, `<!-- /${what} -->`];
    const start = text.indexOf(from);
    const end = text.indexOf(to);
    if (start < 0 || end < start) throw new Error(`docs/performance.md has no place for ${what}`);
    text = `${text.slice(0, start + from.length)}\n\n${form(rows)}\n\n${text.slice(end)}`;
  }
  writeFileSync(page, text);
}
