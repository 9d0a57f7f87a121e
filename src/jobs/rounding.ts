/** What widths are rounded to. */

import { defaultRuntime } from "../runtime/default.ts";
import type { Device, Runtime } from "../runtime/port.ts";
import { channelBlockOf } from "../execute/channel-block.ts";

export interface RoundingOptions {
  /** What remains of a group is a multiple of this; "auto": of the channels that the runtime's kernels take at a time, found by trying. Default 1. */
  readonly roundTo?: number | "auto" | undefined;
  /** Where none is named, the one of {@link useRuntime}. */
  readonly runtime?: Runtime | undefined;
  readonly device?: Device | undefined;
}

/** The multiple; 1 where "auto" finds kernels that do not take channels in blocks. */
export async function roundingOf({ roundTo = 1, runtime, device }: RoundingOptions): Promise<number> {
  return roundTo === "auto" ? ((await channelBlockOf(runtime ?? defaultRuntime(), device)) ?? 1) : roundTo;
}
