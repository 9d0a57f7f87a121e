/** What stands for a row of times, and how numbers are written; what was not measured is left blank. */

import { interquartileRange, median } from "simple-statistics";

export { median };

/** The distance between the quartiles as a share of the median. */
export const spread = (values) => interquartileRange(values) / median(values);

const written = (form) => (value) => (value === undefined ? "" : form(value));

export const times = written((ratio) => `${ratio.toFixed(2)}x`);
export const gigabytes = written((bytes) => `${(bytes / 2 ** 30).toFixed(2)} GiB`);
export const percent = written((share) => `${(100 * share).toFixed(1)} %`);
/** Of each second. */
export const rate = written((count) => count.toFixed(count < 1000 ? 1 : 0));
export const seconds = (ms, digits = 2) => `${(ms / 1000).toFixed(digits)} s`;
