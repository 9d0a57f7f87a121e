/** The table of figures of a page: before, after, and how they compare. */

import { scientific } from "./figures.ts";
import { html, type Content, type Markup } from "./html.ts";

/** A line of the table of figures. */
export interface Figure {
  readonly name: string;
  /** As the subject of a sentence. */
  readonly subject?: string;
  readonly before: number | undefined;
  readonly after: number | undefined;
  readonly show: (value: number) => string;
  /** Shares are compared by their difference. */
  readonly share?: boolean;
}

/** Lines of a table by what is known before and after. */
export const figuresBetween =
  <Known>(before: Known | undefined, after: Known | undefined) =>
  (
    name: string,
    of: (known: Known) => number | undefined,
    show: Figure["show"],
    more: Pick<Figure, "subject" | "share"> = {},
  ): Figure => ({ name, before: before && of(before), after: after && of(after), show, ...more });

/** The changes in a row of lines, as parts of a sentence; those without a subject are not told. */
export const changesIn = (figures: readonly Figure[]): string[] =>
  figures
    .filter(({ subject, before, after }) => subject !== undefined && isNumber(before) && isNumber(after))
    .map(({ subject, before, after, show }) => `${subject} from ${show(before!)} to ${show(after!)}`);

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
          <th scope="col" class="number">ratio</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              <th scope="row">${row.name}</th>
              ${[row.before, row.after].map((value) => cell(isNumber(value) ? row.show(value) : "–"))}${cell(compared(row))}
            </tr> `,
        )}
      </tbody>
    </table>
    ${remark}
  </section>`;
}

function compared({ before, after, share }: Figure): string {
  if (!isNumber(before) || !isNumber(after)) return "–";
  if (!share) return before === 0 ? "–" : ratio(after / before);
  const points = (after - before) * 100;
  return `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(2)} points`;
}

const ratio = (value: number): string => (value < 0.001 ? scientific(value) : value.toFixed(3));
