/** Options that say which part of some work one machine does. */

import { z } from "zod";
import { count } from "./kinds.ts";

/** The part that one machine does of work that is done on several. */
export const shard = z
  .strictObject({
    /** Which part, from 1 on. */
    index: count,
    /** How many parts there are. */
    of: count,
  })
  .describe("which part of how many to do, as 3/16; secateur merge puts the parts together");
export type Shard = z.infer<typeof shard>;
