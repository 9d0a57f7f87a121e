/** Charts with a row for each group of units. */

import { linearScale, logScale, rowChart, type RowMark } from "./charts.ts";
import { listed, scientific } from "./figures.ts";
import { html, type Markup } from "./html.ts";
import { leastShares, type GroupRecord } from "./record.ts";
import type { RunHistory } from "./run-history.ts";

/** What became of each layer: its width, the importance of its units, and how much it would matter to lose some. */
export function layers({ widths, removals }: RunHistory, criterion: string): Markup | undefined {
  if (widths.length === 0) return undefined;
  const [first, last] = [removals[0], removals.length > 1 ? removals.at(-1) : undefined];
  return html`<section>
    <h2>Layers</h2>
    ${widthsChart(widths)} ${first && importanceChart(first.groups, last?.groups ?? [], criterion)}
    ${first && sensitivityChart(first.groups, criterion)}
  </section>`;
}

function widthsChart(widths: RunHistory["widths"]): Markup {
  return rowChart({
    title: "Width of each layer",
    note:
      "Units before, pale, and those that are left. " +
      "A layer stands for all that are as wide because they are added or multiplied.",
    axis: "units",
    scale: linearScale(Math.max(...widths.map(({ units }) => units))),
    columns: ["before", "after", "left"],
    rows: widths.map(({ name, units, left }) => ({
      name,
      cells: [String(units), String(left), `${Math.round((100 * left) / units)} %`],
      marks: [
        { tone: "faint", from: 0, to: units, as: "bar", title: `${units} units before` },
        { tone: "first", from: 0, to: left, as: "bar", title: `${left} units after` },
      ],
    })),
  });
}

function importanceChart(
  first: readonly GroupRecord[],
  last: readonly GroupRecord[],
  criterion: string,
): Markup | undefined {
  const scale = logScale([...first, ...last].flatMap(({ least, median, most }) => [least, median, most]));
  if (!scale) return undefined;
  const later = new Map(last.map((group) => [group.name, group]));
  const range = ({ least, median, most }: GroupRecord, tone: RowMark["tone"], when: string): RowMark => ({
    tone,
    from: least,
    to: most,
    as: "range",
    dots: [median],
    title: `${when}: least ${scientific(least)}, median ${scientific(median)}, most ${scientific(most)}`,
  });
  return rowChart({
    title: "Importance of each layer's units",
    note:
      `From the least to the most important unit by ${criterion}, with a dot at the median. ` +
      "At 0 is what is not above it, or more than ten powers of ten below the largest.",
    axis: `importance (${criterion})`,
    scale,
    legend: [
      { name: "at the first removal", tone: "first" },
      ...(last.length > 0 ? [{ name: "at the last", tone: "second" } as const] : []),
    ],
    columns: last.length > 0 ? ["first median", "last median"] : ["median"],
    rows: first.map((group) => {
      const end = later.get(group.name);
      return {
        name: group.name,
        cells: [scientific(group.median), ...(last.length > 0 ? [end ? scientific(end.median) : "–"] : [])],
        marks: [
          range(group, "first", "at the first removal"),
          ...(end ? [range(end, "second", "at the last removal")] : []),
        ],
      };
    }),
  });
}

function sensitivityChart(groups: readonly GroupRecord[], criterion: string): Markup | undefined {
  const scale = logScale(groups.flatMap(({ leastSums }) => leastSums));
  if (!scale) return undefined;
  const shares = leastShares.map((share) => `${share * 100}`);
  return rowChart({
    title: "Sensitivity of each layer",
    note:
      `The criterion's estimate of how much the loss rises when the least important ${listed(shares)} % of a layer ` +
      `go and all else stays: the sum of their importances by ${criterion} at the first removal, in its units. ` +
      "Nothing of it was measured. Larger dots stand for larger shares.",
    axis: `estimated rise of the loss (${criterion})`,
    scale,
    columns: ["half gone"],
    rows: groups.map(({ name, leastSums }) => ({
      name,
      cells: [scientific(leastSums[leastShares.indexOf(0.5)]!)],
      marks: [
        {
          tone: "first",
          from: leastSums[0]!,
          to: leastSums.at(-1)!,
          as: "range",
          dots: leastSums,
          title: leastSums.map((sum, i) => `${shares[i]} % gone: ${scientific(sum)}`).join(", "),
        },
      ],
    })),
  });
}
