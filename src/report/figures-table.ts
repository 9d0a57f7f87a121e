/** The table of figures of a page: before, after, and how they compare. */

import type { Interval } from "../evaluate/intervals.ts";
import { pointsFigure, scientific } from "./figures.ts";
import { html, type Content, type Markup } from "./html.ts";

/** How after is compared with before: by their ratio, their difference, or as shares of samples in points. */
export type Compared = "ratio" | "difference" | "points";

/** A line of the table of figures. */
export interface Figure {
  readonly name: string;
  /** As the subject of a sentence. */
  readonly subject?: string;
  readonly before: number | undefined;
  readonly after: number | undefined;
  /** Both in words. */
  readonly texts: readonly [before: string, after: string];
  readonly change: string;
  /** Shares are "a top-1 of 90 %", other figures "30 units". */
  readonly compared: Compared;
}

interface More extends Pick<Figure, "subject"> {
  /** Default "ratio". */
  readonly compared?: Compared;
  /** Of shares: the samples, and where their gain lies in points. */
  readonly samples?: number | undefined;
  readonly gained?: Interval | undefined;
}

/** Lines of a table by what is known before and after. */
export const figuresBetween =
  <Known>(known: readonly [before: Known | undefined, after: Known | undefined]) =>
  (
    name: string,
    of: (known: Known) => number | undefined,
    show: (value: number, known: Known) => string,
    { compared = "ratio", samples = 0, gained, subject }: More = {},
  ): Figure => {
    const [before, after] = known.map((one) => one && of(one));
    const text = (value: number | undefined, one: Known | undefined): string =>
      isNumber(value) && one ? show(value, one) : "–";
    const texts = [text(before, known[0]), text(after, known[1])] as const;
    const change = (was: number, is: number): string => {
      if (compared === "points") return pointsFigure(100 * (is - was), samples, gained);
      // A loss may start at nearly nothing: how many times as much it is says nothing.
      if (compared === "difference") return `${is < was ? "−" : "+"}${show(Math.abs(is - was), known[1]!)}`;
      return was === 0 ? "–" : ratio(is / was);
    };
    const told = isNumber(before) && isNumber(after) ? change(before, after) : "–";
    return { name, before, after, texts, change: told, compared, ...(subject !== undefined && { subject }) };
  };

/** The changes in a row of lines, as parts of a sentence; those without a subject are not told. */
export const changesIn = (figures: readonly Figure[]): string[] =>
  figures
    .filter(({ subject, before, after }) => subject !== undefined && isNumber(before) && isNumber(after))
    .map(({ subject, texts: [before, after] }) => `${subject} from ${before} to ${after}`);

/** What is not finite is null in the record. */
export const isNumber = (value: number | null | undefined): value is number => typeof value === "number";

/** @param remark stands under the table */
export function figuresTable(rows: readonly Figure[], remark?: Content): Markup | undefined {
  if (rows.length === 0) return undefined;
  const cell = (text: string): Markup => html`<td class="number">${text}</td>`;
  return html`<section>
    <table class="figures">
      <thead>
        <tr>
          <th></th>
          <th scope="col" class="number">before</th>
          <th scope="col" class="number">after</th>
          <th scope="col" class="number">change</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              <th scope="row">${row.name}</th>
              ${[...row.texts, row.change].map(cell)}
            </tr> `,
        )}
      </tbody>
    </table>
    ${remark}
  </section>`;
}

const ratio = (value: number): string => (value < 0.001 ? scientific(value) : value.toFixed(3));
