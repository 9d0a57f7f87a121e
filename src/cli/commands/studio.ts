/** secateur studio: the page that shows models and runs, served to this machine. */

import { once } from "node:events";
import { stdout } from "node:process";
import type { Command } from "commander";
import { z } from "zod";
import { serveStudio } from "../../serve/server-node.ts";
import type { Commands, Context } from "../context.ts";
import { withExample } from "../help.ts";
import { openBrowser } from "../open-browser.ts";
import { flag, json, withGroup } from "../options/flag.ts";
import { note, print } from "../output.ts";

interface StudioFlags {
  readonly runs?: readonly string[];
  readonly port?: number;
  readonly open: boolean;
  readonly json?: boolean;
}

const howTo = `
The address holds a token that is new each time; nobody without it gets a model or a run. Ctrl-C ends the server.`;

function defineStudio(command: Command, context: Context): void {
  withGroup(command, "Data", [
    flag(
      "--runs <dir>",
      z.array(z.string()).describe("folder of runs, or a run; give it once for each (default: this folder)"),
    ),
  ]);
  withGroup(command, "Machine", [
    flag("--port <n>", z.int().min(1).max(65535).describe("port to listen on (default: one that is free)")),
    flag("--no-open", z.boolean().describe("open no browser")),
  ]);
  withGroup(command, "Output", [json("print the address as a line of JSON")]);
  withExample(command, "secateur studio model.onnx", "secateur studio --runs sweep --no-open")
    .addHelpText("after", howTo)
    .action((model: string | undefined, flags: StudioFlags) => studio(model, flags, context));
}

async function studio(model: string | undefined, flags: StudioFlags, { version, signal }: Context): Promise<void> {
  const { runs = ["."], port, open, json: asJson = false } = flags;
  await using server = await serveStudio({ version, model, runs, port });
  const { url } = server;
  print(asJson ? JSON.stringify({ url }) : url);
  if (open && stdout.isTTY) openBrowser(url, () => note("no browser could be opened: open the address yourself"));
  note("Ctrl-C ends the server");
  if (!signal.aborted) await once(signal, "abort");
}

export const commands: Commands = { studio: defineStudio };
