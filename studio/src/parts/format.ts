/** Numbers as people read them. */

const units = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
] as const;

/** 1234567 as "1.23 M". */
export function short(value: number): string {
  const [size, letter] = units.find(([least]) => Math.abs(value) >= least) ?? [1, ""];
  const text = (value / size).toPrecision(3);
  return `${text.includes("e") ? Math.round(value / size) : Number(text)}${letter && ` ${letter}`}`;
}

export const bytes = (value: number): string =>
  value >= 1e6
    ? `${(value / 1e6).toPrecision(3)} MB`
    : value >= 1e3
      ? `${(value / 1e3).toPrecision(3)} kB`
      : `${value} B`;

export const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

export const milliseconds = (value: number): string => `${value >= 10 ? value.toFixed(1) : value.toPrecision(3)} ms`;

export const seconds = (value: number): string =>
  value < 90 ? `${Math.ceil(value)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
