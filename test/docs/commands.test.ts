/** The commands of developers say what they do. */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const run = (script: string, flag: string) =>
  spawnSync(process.execPath, [fileURLToPath(new URL(`../../${script}`, import.meta.url)), flag], { encoding: "utf8" });

it.each([
  ["scripts/generated.mjs", "npm run generated"],
  ["scripts/zoo/run.mjs", "scripts/zoo/run.mjs"],
  ["experiments/resnet20.mjs", "npm run experiment:resnet20"],
])("%s prints its head on --help, and a line for a flag that there is not", (script, usage) => {
  const help = run(script, "--help");
  expect([help.status, help.stderr]).toEqual([0, ""]);
  expect(help.stdout).toContain(usage);
  expect(help.stdout).not.toMatch(/^\s*\*/m);
  const refused = run(script, "--nonsense");
  expect(refused.status).toBe(2);
  expect(refused.stderr).toBe("Unknown option '--nonsense'; --help says what there is\n");
});
