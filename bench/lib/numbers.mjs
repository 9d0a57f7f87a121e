/** What stands for a row of times. */

import { interquartileRange, median } from "simple-statistics";

export { median };

/** The distance between the quartiles as a share of the median. */
export const spread = (values) => interquartileRange(values) / median(values);
