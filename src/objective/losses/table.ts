/** All losses, by name. */

import type { LossName } from "../../options/loss.ts";
import type { LossDefinition } from "./loss.ts";
import { bce } from "./bce.ts";
import { crossEntropy } from "./cross-entropy.ts";
import { mse } from "./mse.ts";

const all: readonly LossDefinition[] = [crossEntropy, bce, mse];

const byName = new Map(all.map((loss) => [loss.name, loss]));

export const lossOf = (name: LossName): LossDefinition => byName.get(name)!;
