/** All losses, by name. */

import type { LossName } from "../../options/loss.ts";
import type { LossDefinition } from "./loss.ts";
import { bce } from "./bce.ts";
import { cosine } from "./cosine.ts";
import { crossEntropy } from "./cross-entropy.ts";
import { ctc } from "./ctc.ts";
import { dice } from "./dice.ts";
import { focal } from "./focal.ts";
import { huber } from "./huber.ts";
import { infoNce } from "./info-nce.ts";
import { kl } from "./kl.ts";
import { l1 } from "./l1.ts";
import { mse } from "./mse.ts";
import { nextToken } from "./next-token.ts";

export const losses: readonly LossDefinition[] = [
  crossEntropy,
  bce,
  mse,
  l1,
  huber,
  kl,
  cosine,
  dice,
  focal,
  ctc,
  infoNce,
  nextToken,
];

const byName = new Map(losses.map((loss) => [loss.name, loss]));

export const lossOf = (name: LossName): LossDefinition => byName.get(name)!;
