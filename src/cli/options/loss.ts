/** `--loss`: what is minimised, written as text or, in a configuration, as the library has it. */

import { InvalidArgumentError, type Option } from "commander";
import { SecateurError } from "../../graph/error.ts";
import { formOf, words } from "../../options/kinds.ts";
import { loss, lossNames, type Loss } from "../../options/loss.ts";
import { parseLoss, withLoss } from "../../options/loss-text.ts";
import { withForm, withWhole } from "../forms.ts";
import { inFlags } from "../flags.ts";
import { flag } from "./flag.ts";

const help =
  "what is minimised, as [OUTPUT=]LOSS[:WEIGHT][,SETTING=VALUE]; may be repeated; LOSS is auto, " +
  `${lossNames.join(", ")} or file:FILE; docs/losses.md has their settings`;

const text = { type: "string", pattern: "^(auto|file:.+|([^=]+=)?[a-z0-9-]+(:[^,]*)?(,.*)?)$" } as const;

const read = withWhole(
  withForm(
    (given: string, known: Loss | "auto" | undefined): Loss | "auto" => {
      const before = known === undefined || known === "auto" ? undefined : known;
      if (given === "auto") {
        if (before === undefined) return given;
        throw new InvalidArgumentError("Auto chooses the loss by itself, and goes with no other.");
      }
      try {
        return withLoss(before, parseLoss(given));
      } catch (error) {
        if (!(error instanceof SecateurError)) throw error;
        throw new InvalidArgumentError(sentence(error.message));
      }
    },
    { anyOf: [text, { type: "array", items: text }, formOf(loss)] },
  ),
  (value) => {
    const { success } = loss.safeParse(value);
    if (success) return value;
    const problems = words.get(loss.unwrap())!.problems!("loss", value);
    throw new InvalidArgumentError(sentence(problems.join("; ")));
  },
);

const sentence = (message: string): string => `${message[0]!.toUpperCase()}${inFlags(message).slice(1)}.`;

export const lossFlag = (): Option => {
  const option = flag("--loss <loss>", loss, read);
  option.description = help;
  return option;
};
