/** The program: its commands, and what its errors become. */

import { readFileSync } from "node:fs";
import { Command, CommanderError, Option } from "commander";
import { SecateurError } from "../graph/error.ts";
import { nearest } from "../options/suggest.ts";
import { addCompare } from "./commands/compare.ts";
import { addCompletion } from "./commands/completion.ts";
import { addConfig } from "./commands/config.ts";
import { addCriteria } from "./commands/criteria.ts";
import { addData, addNew } from "./commands/data.ts";
import { addGrad } from "./commands/grad.ts";
import { addInspect } from "./commands/inspect.ts";
import { addCutAndMask, addPlan } from "./commands/plan.ts";
import { addPrune } from "./commands/prune.ts";
import { addRecalibrate } from "./commands/recalibrate.ts";
import { addReport } from "./commands/report.ts";
import { addEval, addScore } from "./commands/score.ts";
import { addTrain } from "./commands/train.ts";
import { configure } from "./config/apply.ts";
import { readConfiguration } from "./config/read.ts";
import { configurable } from "./config/schema.ts";
import { examples, exitCodes, helpOption, helpStyle } from "./help.ts";
import { forgetNotes } from "./options/model.ts";
import { complainOf, Interruption, note, prefix } from "./output.ts";

const badInput = 2;
/** The exit code of a run that was stopped from outside. */
export const interrupted = 130;

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** Runs the command line and returns the exit code: 0 done, 1 a budget or gate not met, 2 bad input, 130 interrupted. */
export async function run(
  argv: readonly string[],
  signal: AbortSignal = new AbortController().signal,
): Promise<number> {
  process.exitCode = undefined;
  forgetNotes();
  const program = createProgram(signal, argv);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    const code = exitCodeOf(error, signal);
    const isAsked = program.opts<{ debug?: boolean }>().debug === true && code === badInput;
    if (isAsked && error instanceof Error && !(error instanceof CommanderError)) note(traceOf(error));
    return code;
  }
}

/** Whether all of the help is asked for. */
const wantsAll = (argv: readonly string[]): boolean =>
  argv.some((word, i) => (word === "--help" || word === "-h") && argv[i + 1] === "all");

function createProgram(signal: AbortSignal, argv: readonly string[]): Command {
  const program: Command = new Command("secateur");
  program
    .description(
      "Makes neural networks smaller: reads a trained ONNX model, removes what matters least, writes a smaller one.",
    )
    .version(version)
    .option("--config <file>", "options by command (default: secateur.config.* in this folder)")
    .option("--no-config", "ignore the configuration in this folder")
    .option("--debug", "print where in the program an error came from")
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${oneLine(misspelt(program, argv, text) ?? text)}\n`) })
    .configureHelp(helpStyle(wantsAll(argv)))
    .addHelpOption(helpOption("Output"))
    .addHelpText("after", examples)
    .addHelpText("after", exitCodes);

  program.commandsGroup("Make a model smaller:");
  addPrune(program, version, signal);
  addPlan(program);
  addCutAndMask(program, signal);
  program.commandsGroup("Look at models:");
  addInspect(program);
  addScore(program, signal);
  addCriteria(program);
  addEval(program, signal);
  addCompare(program, signal);
  addReport(program);
  program.commandsGroup("Train:");
  addTrain(program, version, signal);
  addRecalibrate(program, signal);
  addNew(program);
  addData(program);
  program.commandsGroup("More:");
  addGrad(program);
  addConfig(program);
  addCompletion(program);
  program.helpCommand("help [command]", "print the help of a command").addHelpOption(helpOption("Options"));
  inheritOverride(program);
  for (const command of configurable(program)) addDenials(command);
  program.hook("preSubcommand", async (_, command) => {
    const wantsHelp = program.args.some((word) => word === "--help" || word === "-h");
    if (wantsHelp || !configurable(program).includes(command)) return;
    const { config } = program.opts<{ config?: string | false }>();
    const configuration = await readConfiguration(config, process.cwd());
    if (configuration) configure(program, command, configuration);
  });
  return program;
}

/** --no-flip beside --flip, unseen: the command line can take back what a configuration says. */
function addDenials(command: Command): void {
  const known = new Set(command.options.map(({ long }) => long));
  for (const option of command.options) {
    const denial = option.long?.replace("--", "--no-");
    if (option.isBoolean() && !option.negate && !known.has(denial)) command.addOption(new Option(denial!).hideHelp());
  }
  for (const sub of command.commands) addDenials(sub);
}

/** What stands where an option is missing because its name is misspelt. */
function misspelt(program: Command, argv: readonly string[], text: string): string | undefined {
  const command = program.commands.find((one) => argv.includes(one.name()));
  if (!/required option/.test(text) || !command) return undefined;
  const known = command.options.flatMap(({ long }) => long ?? []);
  const word = argv.map((one) => one.split("=")[0]!).find((one) => /^--./.test(one) && !known.includes(one));
  const meant = word && nearest(word, known);
  return meant && `unknown option '${word}' (Did you mean ${meant}?)`;
}

/** "error: unknown command 'plna'\n(Did you mean plan?)" in one line, and in the form of all other errors. */
const oneLine = (text: string): string =>
  `${prefix()} ${text
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
    complainOf(error);
    return badInput;
  }
  complainOf(
    new Error(
      `this should not have happened (${error instanceof SecateurError ? error.message : String(error)}): please report it, with what --debug prints`,
    ),
  );
  return badInput;
}

/** Where an error came from, and what was behind it. */
function traceOf(error: Error): string {
  const behind = error.cause instanceof Error ? `\ncaused by ${traceOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${behind}`;
}
