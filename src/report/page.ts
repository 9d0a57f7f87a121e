/** The frame of the page of a run: what it was, what stands in it, and how to repeat it. */

import { html, Markup, type Content } from "./html.ts";
import { flagOf, lossWords, worded } from "./figures.ts";
import { describeLosses, lostIn } from "./lost.ts";
import { nextSection, nextSteps } from "./next.ts";
import type { RunConfig, RunRecord, RunSummary } from "./record.ts";
import { style } from "./style.ts";

/** What a page says. */
export interface Page {
  readonly title: string;
  readonly lead: string;
  /** Where a run that is not finished stands, as the end of a sentence. */
  readonly stands: string | undefined;
  readonly outcome?: string | undefined;
  readonly sections: readonly Content[];
}

export function pageOf(
  { title, lead, stands, outcome, sections }: Page,
  config: RunConfig,
  records: readonly RunRecord[],
  summary: RunSummary | undefined,
): string {
  const lost = lostIn(records);
  return html`<!doctype html>
    <html lang="en" xmlns="http://www.w3.org/1999/xhtml">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <style>
          ${new Markup(style)}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p class="lead">${lead}</p>
          ${stands === undefined ? undefined : html`<p class="notice">The run is not finished: ${stands}.</p>`}
          ${outcome === undefined ? undefined : html`<p>${outcome}</p>`}
          ${lost && html`<p class="notice">${describeLosses(lost)}</p>`}
          ${summary && html`<p><a href="#next">What to do next</a></p>`}
        </header>
        ${sections} ${circumstances(config, records.at(-1)?.time, summary)}
        ${summary && nextSection(nextSteps(config, records, summary), config.folder)}
        <footer>Written by Secateur ${config.version}.</footer>
      </body>
    </html> `.text;
}

function circumstances(config: RunConfig, last: string | undefined, summary: RunSummary | undefined): Markup {
  const facts = (rows: readonly (readonly [string, unknown])[]): Markup =>
    html`<table class="facts">
      <tbody>
        ${rows.map(
          ([name, value]) =>
            html`<tr>
              <th scope="row">${name}</th>
              <td>${worded(value)}</td>
            </tr> `,
        )}
      </tbody>
    </table>`;
  const options = Object.entries(config.options).map(
    ([name, value]) => [flagOf(name), name === "loss" ? lossWords(value) : value] as const,
  );
  return html`<section>
    <h2>How to repeat it</h2>
    <pre>${config.repeat}</pre>
    ${facts([
      ["model", config.model.path],
      ["SHA-256 of the model", config.model.sha256],
      ...(summary ? [["written to", summary.output] as const] : []),
      ["seed", config.options["seed"]],
      ["begun", config.started],
      ...(last === undefined ? [] : [[summary ? "ended" : "last heard of", last] as const]),
      ["secateur", config.version],
      ...Object.entries(config.versions),
    ])}
    <h2>Configuration</h2>
    ${facts(options)}
  </section>`;
}
