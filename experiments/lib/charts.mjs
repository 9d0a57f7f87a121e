/** Charts as SVG files, drawn by Vega-Lite. */

import { writeFileSync } from "node:fs";
import { parse, View } from "vega";
import { compile } from "vega-lite";

const config = {
  background: "#ffffff",
  font: "system-ui, sans-serif",
  padding: 16,
  view: { stroke: null },
  title: { anchor: "start", fontSize: 15, subtitleColor: "#57606a", subtitleFontSize: 12, offset: 14 },
  axis: {
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: "normal",
    gridColor: "#eaeef2",
    domainColor: "#8c959f",
  },
  legend: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal", symbolStrokeWidth: 3, labelLimit: 260 },
};

/** Ten colours, then the same ten dashed and dotted: more series than anyone tells apart by colour alone. */
const colours = ["4e79a7", "f28e2b", "e15759", "76b7b2", "59a14f", "edc948", "b07aa1", "ff9da7", "9c755f", "79706e"];
const dashes = [
  [1, 0],
  [7, 3],
  [2, 2],
];
const every = (of) => dashes.flatMap((dash) => colours.map((colour) => of(`#${colour}`, dash)));

/** Draws a Vega-Lite specification. */
export async function draw(path, specification) {
  const { spec } = compile(
    { config, ...specification },
    { logger: { error: console.error, warn: console.error, info() {}, debug() {}, level() {} } },
  );
  const view = new View(parse(spec), { renderer: "none" });
  writeFileSync(path, `${await view.toSVG()}\n`);
  view.finalize();
}

/** Bars from rows of { label, value }, the largest first. */
export function barChart(path, { title, subtitle, rows, axis }) {
  return draw(path, {
    title: { text: title, subtitle },
    width: 520,
    data: { values: rows },
    encoding: {
      y: { field: "label", type: "nominal", sort: "-x", title: null, axis: { labelLimit: 320 } },
      x: { field: "value", type: "quantitative", title: axis },
    },
    layer: [
      { mark: { type: "bar", color: "#2f7d4f", height: { band: 0.7 } } },
      {
        mark: { type: "text", align: "left", dx: 4, fontSize: 11 },
        encoding: { text: { field: "value", format: ".3f" } },
      },
    ],
  });
}

/** Lines from rows of { series, x, y } and, where there is one, an error `e` of y to both sides. */
export function lineChart(
  path,
  { title, subtitle, rows, x, y, series = "criterion", log = false, points = false, domain, more = {} },
) {
  const named = { field: "series", type: "nominal", title: series, sort: null };
  const encoding = {
    x: { field: "x", type: "quantitative", title: x, scale: { zero: false, nice: false } },
    color: { ...named, scale: { range: every((colour) => colour) } },
    strokeDash: { ...named, scale: { range: every((_, dash) => dash) } },
  };
  const vertical = {
    type: "quantitative",
    title: y,
    scale: { ...(log ? { type: "log" } : { zero: false }), ...(domain && { domain, clamp: true }) },
  };
  const bars = rows.some(({ e }) => e !== undefined);
  return draw(path, {
    title: { text: title, subtitle },
    width: 560,
    height: 340,
    data: {
      values: rows.map((row) => (row.e === undefined ? row : { ...row, low: row.y - row.e, high: row.y + row.e })),
    },
    layer: [
      {
        mark: { type: "line", strokeWidth: 2, clip: true, point: points },
        encoding: { ...encoding, y: { field: "y", ...vertical } },
      },
      ...(bars
        ? [
            {
              mark: { type: "rule" },
              encoding: { ...encoding, y: { field: "low", ...vertical }, y2: { field: "high" } },
            },
          ]
        : []),
    ],
    ...more,
  });
}
