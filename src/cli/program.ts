/** The program: its commands, and what its errors become. */

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { SecateurError } from "../graph/error.ts";
import { addCriteria } from "./commands/criteria.ts";
import { addData, addNew } from "./commands/data.ts";
import { addGrad } from "./commands/grad.ts";
import { addInspect } from "./commands/inspect.ts";
import { addCutAndMask, addPlan } from "./commands/plan.ts";
import { addPrune } from "./commands/prune.ts";
import { addReport } from "./commands/report.ts";
import { addEval, addScore } from "./commands/score.ts";
import { addTrain } from "./commands/train.ts";
import { Interruption, note } from "./output.ts";

const badInput = 2;
/** The exit code of a run that was stopped from outside. */
export const interrupted = 130;

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** Runs the command line and returns the exit code: 0 done, 1 a budget not met, 2 bad input, 130 interrupted. */
export async function run(
  argv: readonly string[],
  signal: AbortSignal = new AbortController().signal,
): Promise<number> {
  process.exitCode = undefined;
  try {
    await createProgram(signal).parseAsync([...argv], { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return exitCodeOf(error, signal);
  }
}

function createProgram(signal: AbortSignal): Command {
  const program = new Command("secateur")
    .description(
      "Makes neural networks smaller: reads a trained ONNX model, removes what matters least, writes a smaller one.",
    )
    .version(version)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${oneLine(text)}\n`) });

  addInspect(program);
  addCriteria(program);
  addScore(program, signal);
  addPlan(program);
  addCutAndMask(program);
  addPrune(program, version, signal);
  addReport(program);
  addTrain(program, signal);
  addEval(program, signal);
  addGrad(program);
  addData(program);
  addNew(program);
  inheritOverride(program);
  return program;
}

/** "error: unknown command 'plna'\n(Did you mean plan?)" in one line, and in the form of all other errors. */
const oneLine = (text: string): string =>
  `secateur: ${text
    .trim()
    .replace(/^error: /, "")
    .replaceAll(/\s*\n\s*/g, " ")}`;

/** Commands that were added before do not take over that errors are thrown. */
function inheritOverride(command: Command): void {
  for (const sub of command.commands) {
    sub.exitOverride();
    inheritOverride(sub);
  }
}

function exitCodeOf(error: unknown, signal: AbortSignal): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : badInput;
  if (signal.aborted) {
    note(`interrupted; ${error instanceof Interruption ? error.message : "nothing was written"}`);
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
