/** Completion, by the shells themselves: what they would offer for a line that is begun. */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { criteria } from "../../src/criteria/table.ts";
import { gatePlaces } from "../../src/options/ranking.ts";
import { zooNames } from "../../src/zoo/zoo.ts";
import { openWorkshop, secateur } from "./support.ts";

const workshop = openWorkshop();
const { folder, at, write } = workshop;
const has = (shell: string): boolean => spawnSync(shell, ["-c", "exit 0"]).status === 0;
const run = (shell: string, ...argv: string[]): string[] =>
  execFileSync(shell, argv, { cwd: folder, encoding: "utf8" })
    .split("\n")
    .filter((line) => line !== "");

beforeAll(async () => {
  for (const shell of ["bash", "zsh", "fish"]) write(`secateur.${shell}`, (await secateur(["completion", shell])).out);
  write("net one.onnx", "");
  write("net.onnx", "");
  mkdirSync(at("numbers"));
});
afterAll(() => workshop.remove());

/** What is offered for the last of some words, in any order. */
const offers: readonly (readonly [string, readonly string[], (found: readonly string[]) => void])[] = [
  ["commands", ["c"], (found) => expect(found).toEqual(["compare", "completion", "config", "criteria", "cut"])],
  [
    "commands of commands",
    ["data", ""],
    (found) => expect(found).toEqual(expect.arrayContaining(["cifar10", "mnist"])),
  ],
  ["options", ["plan", "--r"], (found) => expect(found).toEqual(["--ratio", "--round-to"])],
  [
    "options behind others",
    ["plan", "x.onnx", "--ratio", "0.5", "--sc"],
    (found) => expect(found).toEqual(["--scope", "--scores"]),
  ],
  ["negated options", ["cut", "--no"], (found) => expect(found).toEqual(["--no-config", "--no-prove"])],
  ["criteria", ["score", "--criterion", ""], (found) => expect(found).toEqual([...criteria.keys()].toSorted())],
  ["only those that a command takes", ["plan", "--criterion", "ta"], (found) => expect(found).toEqual([])],
  ["gates", ["prune", "m.onnx", "--gates", ""], (found) => expect(found).toEqual(gatePlaces.toSorted())],
  ["networks", ["new", ""], (found) => expect(found).toEqual(zooNames.toSorted())],
  ["models", ["inspect", "net"], (found) => expect(found).toEqual(["net one.onnx", "net.onnx"])],
  [
    "files",
    ["cut", "net.onnx", "-o", "num"],
    (found) => expect(found.map((one) => one.replace(/\/$/, ""))).toEqual(["numbers"]),
  ],
  ["nothing for numbers", ["eval", "--seed", "n"], (found) => expect(found).toEqual([])],
  ["the configuration", ["--config", "net."], (found) => expect(found).toEqual(["net.onnx"])],
];

describe.runIf(has("bash"))("bash completes", () => {
  const complete = (words: readonly string[]): string[] => {
    const quoted = ["secateur", ...words].map((word) => `'${word}'`).join(" ");
    const script = `source ./secateur.bash; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _secateur; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return run("bash", "--norc", "-uc", script).toSorted();
  };

  it.each(offers)("%s", (_, words, check) => check(complete(words)));

  it.each([
    [["score", "--gates", "="], gatePlaces.toSorted()],
    [["score", "--gates", "=", "res"], ["residual"]],
    [["eval", "--data", "mnist", ":", "num"], ["numbers"]],
    [
      ["eval", "--data", "mnist", ":"],
      ["net one.onnx", "net.onnx", "numbers", "secateur.bash", "secateur.fish", "secateur.zsh"],
    ],
  ])("what it splits at = and :, %j", (words, found) => expect(complete(words)).toEqual(found));

  it("is registered for the program", () => {
    expect(run("bash", "--norc", "-c", "source ./secateur.bash; complete -p secateur")).toEqual([
      "complete -F _secateur secateur",
    ]);
  });
});

describe.runIf(has("fish"))("fish completes", () => {
  const complete = (words: readonly string[]): string[] =>
    run("fish", "--no-config", "-c", `source ./secateur.fish; complete -C 'secateur ${words.join(" ")}'`)
      .map((line) => line.split("\t")[0]!.replaceAll("\\", ""))
      .toSorted();

  it.each(offers)("%s", (_, words, check) => check(complete(words)));
});

describe.runIf(has("zsh"))("zsh completes", () => {
  /** What the script hands to zsh's own machinery, which needs a terminal. */
  const handed = (call: string): string[] =>
    run("zsh", "-f", "-c", `compdef() { :; }; source ./secateur.zsh; _arguments() { print -l -- "$@"; }; ${call}`);

  it("options with their values", () => {
    const specs = handed("_secateur_score");
    expect(specs).toContain("--gates=[where gates stand]:gates:(after-bn before-bn after-activation residual)");
    expect(specs).toContain(
      "--json=[write the importances as JSON, or print them where no file is named]::json:_files",
    );
    expect(specs).toContain("1:argument:_files");
    expect(handed("_secateur_cut")).toContain("(--output -o)-o+[the model to write]:output:_files");
  });

  it("commands", () => {
    const found = handed(
      '_describe() { print -l -- "${commands[@]}"; }; state=command; _arguments() { :; }; _secateur',
    );
    // The function has a state of its own.
    expect(found).toEqual([]);
    const words = handed('_arguments() { state=command; }; _describe() { print -l -- "${commands[@]}"; }; _secateur');
    expect(words.map((word) => word.split(":")[0])).toEqual(expect.arrayContaining(["prune", "compare", "data"]));
  });

  it("without errors of syntax", () => {
    expect(run("zsh", "-n", "secateur.zsh")).toEqual([]);
  });
});

it("refuses a shell that it does not know", async () => {
  const { code, err } = await secateur(["completion", "tcsh"]);
  expect([code, err]).toEqual([2, expect.stringMatching(/'tcsh' is invalid .* bash, zsh, fish/)]);
});
