/** How the page looks: on a wide screen, a phone and paper, light and dark. */

/** Blue and vermilion of Okabe and Ito, which the colour-blind tell apart; lighter ones of the set on a dark ground. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: #fff; --ink: #1b1f24; --quiet: #59636e; --rule: #d8dee4; --first: #0072b2; --second: #d55e00;
  --faint: #a9b4bf; --panel: #f6f8fa;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161b; --ink: #e6e9ec; --quiet: #a0aab4; --rule: #30373f; --first: #56b4e9; --second: #e69f00;
    --faint: #5c6773; --panel: #1b2128;
  }
}
@media print {
  :root {
    color-scheme: light; --ground: #fff; --ink: #000; --quiet: #444; --rule: #ccc; --first: #0072b2; --second: #d55e00;
    --faint: #a9b4bf; --panel: #fff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 72rem; padding: 1.5rem 1.25rem 4rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums;
}
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 {
  font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-top: .5rem; border-top: 1px solid var(--rule);
  break-after: avoid;
}
h3 { font-size: 1rem; margin: 0; break-after: avoid; }
p { margin: .35rem 0; max-width: 46rem; overflow-wrap: anywhere; }
.lead { font-size: 1.15rem; }
.notice { border-left: 4px solid var(--second); padding: .25rem .75rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.5rem 2.5rem; }
figure { margin: 0; min-width: 0; }
section > figure { margin-bottom: 2.5rem; }
.charts figure { break-inside: avoid; }
figcaption p { color: var(--quiet); font-size: .875rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1.25rem; }
.swatch { width: 1.5rem; height: .75rem; margin-right: .4rem; overflow: visible; }
svg { overflow: visible; }
svg text { fill: var(--quiet); font-size: .75rem; }
.plot { display: block; width: calc(100% - 5rem); height: 14rem; margin: 2rem 1.25rem 3.75rem 3.75rem; }
.axis, .grid { stroke: var(--rule); }
.axis { stroke: var(--quiet); }
.line { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.line.faint { stroke-width: 1; }
.line.first, .range.first { stroke: var(--first); }
.line.second, .range.second { stroke: var(--second); }
.line.faint, .range.faint { stroke: var(--faint); }
.range { stroke-width: 2; }
circle.first, .mark .first, .bar.first { fill: var(--first); }
circle.second, .mark .second, .bar.second { fill: var(--second); }
.bar.faint { fill: var(--faint); opacity: .55; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; }
th, td { padding: .2rem 1rem .2rem 0; vertical-align: top; }
tbody th { font-weight: 400; overflow-wrap: anywhere; }
td { overflow-wrap: anywhere; }
tr { break-inside: avoid; }
.number { text-align: right; white-space: nowrap; }
.figures, .facts { max-width: 46rem; }
.figures th, .figures td, .facts th, .facts td { border-bottom: 1px solid var(--rule); }
.figures th { overflow-wrap: normal; }
.facts th { width: 14rem; color: var(--quiet); }
.rows { font-size: .875rem; margin-top: .5rem; }
.rows thead th {
  position: sticky; top: 0; background: var(--ground); z-index: 1; vertical-align: bottom; color: var(--quiet);
  font-weight: 400; border-bottom: 1px solid var(--quiet);
}
.rows th, .rows td { padding-top: 0; padding-bottom: 0; vertical-align: middle; }
.rows tbody th { width: 30%; padding-top: .1rem; padding-bottom: .1rem; }
.rows tbody tr:nth-child(even) { background: var(--panel); }
.rows .chart { width: 50%; padding: 0 1.75rem; }
.ticks { display: block; width: 100%; height: 1.3rem; }
.row { display: block; width: 100%; height: 1.5rem; }
pre {
  white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel); border: 1px solid var(--rule);
  border-radius: 6px; padding: .75rem 1rem; font-size: .875rem; user-select: all; -webkit-user-select: all;
}
footer { margin-top: 3rem; color: var(--quiet); font-size: .875rem; }
@media (max-width: 40rem) {
  body { padding: 1rem .75rem 3rem; }
  th, td { padding-right: .6rem; }
  .figures { font-size: .9rem; }
  .figures td:last-child { white-space: normal; }
  .rows tr { display: flex; flex-wrap: wrap; justify-content: flex-end; }
  .rows th:first-child { flex: 1 0 auto; width: auto; max-width: 100%; }
  .rows .number { flex: 0 0 min(5.75rem, 11.5rem / var(--columns)); }
  .rows thead .number { white-space: normal; }
  .rows .chart { flex: 0 0 100%; }
  .rows thead th { position: static; border: 0; }
  .facts th { width: 9.5rem; }
}
@media print {
  :root { font-size: 11px; }
  body { max-width: none; padding: 0; }
  .rows thead th { position: static; }
}
`;
