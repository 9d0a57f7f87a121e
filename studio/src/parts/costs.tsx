/** What two models cost, side by side, and a bar for two widths. */

import type { Costs } from "secateur";
import { bytes, percent, short } from "./format.ts";

export interface CostTableProps {
  readonly before: Costs;
  readonly after: Costs;
  /** The heads of the columns: one model, the other, and their ratio. */
  readonly heads: readonly [string, string, string];
}

export function CostTable({ before, after, heads }: CostTableProps) {
  const rows = [
    ["Multiply-accumulates", "macs", short],
    ["Parameters", "params", short],
    ["Weights", "bytes", bytes],
  ] as const;
  return (
    <table class="costs">
      <thead>
        <tr>
          <td />
          {heads.map((head) => (
            <th key={head} scope="col">
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, key, shown]) => (
          <tr key={key}>
            <th scope="row">{name}</th>
            <td>{shown(before[key])}</td>
            <td>{shown(after[key])}</td>
            <td>{before[key] > 0 ? percent(after[key] / before[key]) : "–"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The width of a group before and after, of the widest of all. */
export const WidthBar = ({ before, after, most }: Readonly<Record<"before" | "after" | "most", number>>) => (
  <svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
    <rect class="before" width={(100 * before) / most} height="8" />
    <rect class="after" width={(100 * after) / most} height="8" />
  </svg>
);

/** Groups with their widths before and after. */
export function WidthList({ groups }: { readonly groups: readonly GroupWidths[] }) {
  const most = Math.max(1, ...groups.flatMap(({ before, after }) => [before, after]));
  return (
    <ul>
      {groups.map(({ name, before, after }) => (
        <li key={name}>
          <span class="name" title={name}>
            {name}
          </span>
          <span class="count">{before === after ? before : `${before} → ${after}`}</span>
          <WidthBar before={before} after={after} most={most} />
        </li>
      ))}
    </ul>
  );
}

export interface GroupWidths {
  readonly name: string;
  readonly before: number;
  readonly after: number;
}
