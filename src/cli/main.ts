#!/usr/bin/env node
/** The command line: `secateur COMMAND ...`. */

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { SecateurError } from "../graph/error.ts";
import { addData, addNew } from "./commands/data.ts";
import { addGrad } from "./commands/grad.ts";
import { addInspect } from "./commands/inspect.ts";
import { addCutAndMask, addPlan } from "./commands/plan.ts";
import { addPrune } from "./commands/prune.ts";
import { addEval, addScore } from "./commands/score.ts";
import { addTrain } from "./commands/train.ts";
import { note } from "./output.ts";

const badInput = 2;
const interrupted = 130;

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const abort = new AbortController();
process.once("SIGINT", () => abort.abort());

const program = new Command("secateur")
  .description(
    "Makes neural networks smaller: reads a trained ONNX model, removes what matters least, writes a smaller one.",
  )
  .version(version)
  .showSuggestionAfterError()
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text) });

addInspect(program);
addScore(program, abort.signal);
addPlan(program);
addCutAndMask(program);
addPrune(program, abort.signal);
addTrain(program, abort.signal);
addEval(program, abort.signal);
addGrad(program);
addData(program);
addNew(program);
// Subcommands are made before exitOverride could be inherited by them.
const inherit = (command: Command): void => command.commands.forEach((sub) => (sub.exitOverride(), inherit(sub)));
inherit(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : badInput;
  if (abort.signal.aborted) {
    note("interrupted; nothing was written");
    return interrupted;
  }
  if (error instanceof SecateurError && error.code !== "internal") {
    note(`secateur: ${error.message}`);
    return badInput;
  }
  note(
    `secateur: this should not have happened, please report it:\n${error instanceof Error ? error.stack : String(error)}`,
  );
  return badInput;
}
