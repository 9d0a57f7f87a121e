/** What widths are rounded to. */

import { defaultRuntime } from "../runtime/default.ts";
import type { OptionsOf } from "../options/kinds.ts";
import { device, runtime } from "../options/machine.ts";
import { roundTo } from "../options/ranking.ts";
import { channelBlockOf } from "../execute/channel-block.ts";

/** What a function takes that rounds widths. */
export const rounding = {
  /**
   * What remains of a group is a multiple of this; "auto": of the channels that the runtime's kernels take at a time,
   * found by trying. Default 1.
   */
  roundTo: roundTo.optional(),
  /** Where none is named, the one of {@link useRuntime}. */
  runtime: runtime.optional(),
  device,
};

/** The multiple; 1 where "auto" finds kernels that do not take channels in blocks. */
export async function roundingOf({ roundTo = 1, runtime, device }: OptionsOf<typeof rounding>): Promise<number> {
  return roundTo === "auto" ? ((await channelBlockOf(runtime ?? defaultRuntime(), device)) ?? 1) : roundTo;
}
