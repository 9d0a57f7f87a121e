/** What the page computes on. */

import { signal } from "@preact/signals";
import { call } from "../client.ts";
import type { Calls } from "../worker/calls.ts";

export const machine = signal<Calls["machine"]["result"] | undefined>(undefined);

/** Loads the runtime while somebody looks at the network, so that it is there when it is wanted. */
export const wakeMachine = async (): Promise<void> => void (machine.value ??= await call("machine", {}));
