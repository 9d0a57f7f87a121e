/**
 * Breaks the rules of the operator table on purpose, one at a time, and tells which breaks no test notices. It works on a copy of
 * `src` and `test` in a temporary folder; the working tree is only read, but for the results in `scripts/mutation-results.json`.
 *
 *     node scripts/mutate.mjs                 all mutants
 *     node scripts/mutate.mjs Conv Gemm       those of these operators and helpers; the results of the others are kept
 *     node scripts/mutate.mjs --survivors     those that survived last time, and those that are new
 *     node scripts/mutate.mjs --list          says what would be done
 */

import { spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { equivalent } from "./mutation-equivalents.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const resultsFile = join(root, "scripts", "mutation-results.json");
const laws = ["test/ops"];
/** What else runs where a piece is broken that many operators use. */
const whole = ["test/prune/generated.test.ts"];
/** A mutant that loops for ever is killed after this time. */
const limit = 45_000;

/** @typedef {{ file: string, name: string, op: string | undefined, start: number, text: string }} Block a top-level statement */
/** @typedef {{ file: string, line: number, name: string, ops: readonly string[], wide: boolean, kind: string, start: number, end: number, from: string, to: string, nth: number }} Mutant */

/** Top-level statements of a source, those that define operators with their ONNX names. @returns {Block[]} */
function blocksOf(file, source) {
  const starts = [...source.matchAll(/^(?:export )?(?:const|function\*?) (\w+)/gm)];
  return starts.map((match, i) => {
    const start = match.index;
    const text = source.slice(start, starts[i + 1]?.index ?? source.length);
    const own = /^export const \w+ = (?:defineOp\(\{\s*name: |\w+\(\s*)"(\w+)"/.exec(text);
    return { file, name: match[1], op: own?.[1], start, text };
  });
}

/** The text with the contents of strings, templates, comments and regular expressions blanked out, positions kept. */
function blank(text) {
  const pattern =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|(?<=[(,=]\s*)\/(?:[^/\\\n]|\\.)+\/[a-z]*/g;
  return text.replace(pattern, (found) => (found.startsWith('"') ? found : found.replace(/[^\n]/g, " ")));
}

/** Where the parenthesis, bracket or brace that opens at `at` closes. */
function closing(text, at) {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    if ("([{".includes(text[i])) depth++;
    else if (")]}".includes(text[i]) && --depth === 0) return i;
  }
  return -1;
}

/** Pieces of a block that are no rule: samples, types, and what only words an error. @returns {[number, number][]} */
function excluded(text) {
  /** @type {[number, number][]} */
  const ranges = [];
  for (const match of text.matchAll(/\bsamples: \[|\bfail\(|\binterface \w+ \{|^export type [^;]*;/gm)) {
    const open = match.index + match[0].length - 1;
    ranges.push([match.index, match[0].endsWith(";") ? open : closing(text, open)]);
  }
  return ranges;
}

/** The rule that a position in an operator's object belongs to. */
function ruleAt(text, at) {
  const keys = [...text.slice(0, at + 1).matchAll(/^ {2}(\w+)[:(]/gm)];
  return keys.at(-1)?.[1] ?? "";
}

const swaps = { A: "B", B: "A", transA: "transB", transB: "transA", rows: "columns", columns: "rows" };

/**
 * What is replaced by what. `in` names the rules it applies to; `make` may decline by `undefined`.
 * @type {readonly { kind: string, find: RegExp, in?: RegExp, make: (found: RegExpExecArray, text: string) => string | { to: string, length: number } | undefined }[]}
 */
const kinds = [
  {
    kind: "axes are not united",
    find: /\bc\.same\(/g,
    make(found, text) {
      const open = found.index + found[0].length - 1;
      const end = closing(text, open);
      return { to: `void [${text.slice(open + 1, end)}]`, length: end + 1 - found.index };
    },
  },
  { kind: "axis is not frozen", find: /\bc\.freeze\(/g, make: () => "void (" },
  { kind: "no gradient", in: /^gradient$/, find: /\b(\w+): (?=\(\) =>|\w+ && \(\(\))/g, make: (m) => `none_${m[1]}: ` },
  {
    kind: "no rule",
    find: /^ {2}(resize|dtype|fold|decompose|silence|training|zero(?!: "))(?=[:(])/gm,
    make: (m) => `  none_${m[1]}`,
  },
  {
    kind: "no zero rule",
    find: /, \{ zero: "any" \}\)|\bzero: "a(?:ny|ll)",?/g,
    make: (m) => (m[0].startsWith(",") ? ")" : ""),
  },
  { kind: "zero all -> any", find: /zero: "all"/g, make: () => 'zero: "any"' },
  {
    kind: "operands swapped",
    find: /\bg\.(?:Sub|Div|Gemm|MatMul|Pow|Greater|Less|Conv)\((\w+), (\w+)(?=[,)])/g,
    make: (m) => m[0].replace(/\((\w+), (\w+)/, "($2, $1"),
  },
  {
    kind: "branches swapped",
    find: /\bg\.Where\((\w+), (g\.scalar\(0, dy\)|dy), /g,
    make: (m) => (m[2] === "dy" ? `g.Where(${m[1]}, g.scalar(0, dy), ` : `g.Where(${m[1]}, dy, `),
  },
  { kind: "sign dropped", find: /\bg\.Neg\(/g, make: () => "(" },
  {
    kind: "operation changed",
    find: /\bg\.(Add|Sub|Mul|Div|Greater|Less|Exp|Log|Sign)\(/g,
    make: (m) =>
      `g.${{ Add: "Sub", Sub: "Add", Mul: "Div", Div: "Mul", Greater: "Less", Less: "Greater", Exp: "Abs", Log: "Exp", Sign: "Abs" }[m[1]]}(`,
  },
  {
    kind: "constant changed",
    find: /\bg\.(?:scalar|filled)\((-?\d(?:\.\d+)?)(?=[,)])/g,
    make: (m) => m[0].replace(/-?\d(?:\.\d+)?$/, (n) => (n === "0" ? "1" : n === "1" ? "0" : String(2 * Number(n)))),
  },
  {
    kind: "axis changed",
    find: /\bc\.axis\(([\w!]+(?:\[\d\]!)?), (-?[012])\)/g,
    make: (m) => `c.axis(${m[1]}, ${{ 0: "1", 1: "0", 2: "1", "-1": "-2", "-2": "-1" }[m[2]]})`,
  },
  {
    kind: "operand renamed",
    in: /^(shape|gradient|channels|macs)$/,
    find: /(?<![\w{,] ?)\b(A|B|transA|transB)\b(?= \?|\.shape|, dy| && )/g,
    make: (m) => swaps[m[1]],
  },
  { kind: "transposition", find: /\b(transA|transB): (1|0|\w+)/g, make: (m) => `${swaps[m[1]]}: ${m[2]}` },
  {
    kind: "comparison inverted",
    find: / (===|!==) (?!undefined|"string")/g,
    make: (m) => ` ${m[1] === "===" ? "!==" : "==="} `,
  },
  {
    kind: "comparison moved",
    find: / (<=|>=|<|>) (?=[\w-])/g,
    make: (m) => ` ${{ "<": "<=", "<=": "<", ">": ">=", ">=": ">" }[m[1]]} `,
  },
  { kind: "number in a comparison", find: /(===|!==|(?<!=)>|<) ([01])\b/g, make: (m) => `${m[1]} ${1 - Number(m[2])}` },
  { kind: "and / or", find: / (&&|\|\|) /g, make: (m) => ` ${m[1] === "&&" ? "||" : "&&"} ` },
  { kind: "choice swapped", find: / \? ([\w.!-]+) : ([\w.!-]+)/g, make: (m) => ` ? ${m[2]} : ${m[1]}` },
  {
    kind: "arithmetic",
    find: /(?<![<>=(,[:?]) ([+\-*/]) (?=[\w(])/g,
    make: (m) => ` ${{ "+": "-", "-": "+", "*": "/", "/": "*" }[m[1]]} `,
  },
  {
    kind: "rounding",
    find: /\bMath\.(floor|ceil|min|max)\(/g,
    make: (m) => `Math.${{ floor: "ceil", ceil: "floor", min: "max", max: "min" }[m[1]]}(`,
  },
  { kind: "index changed", find: /\[([01])\](?=[!,.)])/g, make: (m) => `[${1 - Number(m[1])}]` },
  { kind: "slice changed", find: /\.slice\(([012])(?=[,)])/g, make: (m) => `.slice(${Number(m[1]) + 1}` },
  {
    kind: "axes changed",
    find: /\bkeepdims: 0|\bkeepdims \? 1 : 0|, true\)/g,
    make: (m) =>
      ({ "keepdims: 0": "keepdims: 1", "keepdims ? 1 : 0": "keepdims ? 0 : 1", ", true)": ", false)" })[m[0]],
  },
  {
    kind: "first size + 1",
    find: /defineOp\(\{/g,
    make: () =>
      "((spec) => defineOp({ ...spec, shape: (...all) => ((s) => (typeof s[0] === 'number' ? s.with(0, s[0] + 1) : Array.isArray(s[0]) && s[0].length > 0 ? s.with(0, s[0].with(0, s[0][0] + 1)) : [1]))(spec.shape(...all)) }))({",
  },
];

/** The operators that use a helper, directly or through other helpers. @param {readonly Block[]} blocks @returns {string[]} */
function usersOf(blocks, name) {
  const found = new Set([name]);
  for (const one of found)
    for (const block of blocks) if (new RegExp(`\\b${one}\\b`).test(block.text)) found.add(block.name);
  const ops = blocks.filter((block) => block.op && found.has(block.name)).map((block) => block.op);
  return [...new Set(ops)];
}

/** @returns {Mutant[]} all mutants of a file, thinned out so that every block has a few of every kind */
function mutantsOf(file, blocks) {
  const source = readFileSync(join(root, "src", "ops", file), "utf8");
  return blocks
    .filter((block) => block.file === file)
    .flatMap((block) => {
      const own = block.op ? [block.op] : usersOf(blocks, block.name);
      const text = blank(block.text);
      const skipped = excluded(text);
      /** @type {Mutant[][]} */
      const byKind = kinds.map(({ kind, find, in: within, make }) => {
        /** @type {Mutant[]} */
        const found = [];
        for (const match of text.matchAll(find)) {
          if (skipped.some(([from, to]) => match.index >= from && match.index <= to)) continue;
          if (within && block.op && !within.test(ruleAt(text, match.index))) continue;
          const made = make(match, text);
          if (made === undefined) continue;
          const { to, length } = typeof made === "string" ? { to: made, length: match[0].length } : made;
          const from = text.slice(match.index, match.index + length);
          if (to === from) continue;
          const start = block.start + match.index;
          const line = source.slice(0, start).split("\n").length;
          const nth = found.filter((one) => one.from === from && one.to === to).length;
          found.push({
            file,
            line,
            name: block.op ?? block.name,
            ops: own,
            kind,
            start,
            end: start + length,
            from,
            to,
            nth,
          });
        }
        return found;
      });
      const most = Math.min(12, 2 + Math.floor(block.text.split("\n").length / 9));
      /** @type {Mutant[]} */
      const chosen = [];
      // One of every kind in turn, the first, the last and what lies between.
      for (let round = 0; chosen.length < most && byKind.some((list) => list.length > 0); round++)
        for (const list of byKind)
          if (list.length > 0 && chosen.length < most) chosen.push(round % 2 === 0 ? list.shift() : list.pop());
      return chosen;
    });
}

/** Runs the laws in the copy. @returns {Promise<{ passed: number, failed: number, note: string }>} */
function runLaws(folder, { ops, wide }) {
  const report = join(folder, "report.json");
  rmSync(report, { force: true });
  const args = [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    ...laws,
    ...(wide ? whole : []),
    "--root",
    folder,
    "--pool=threads",
    "--maxWorkers=1",
    "--no-isolate",
    "--bail=1",
    "--reporter=json",
    `--outputFile=${report}`,
    "-t",
    `(^| )(${ops.join("|")}):? |macs|gradient (?:stops|flows|of one)|in training|axes of size 1|covers the|leaves alone|generated networks`,
  ];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: folder,
      stdio: "ignore",
      env: { ...process.env, SECATEUR_RUNS: "40" },
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), limit);
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (signal) return resolve({ passed: 0, failed: 1, note: "time limit" });
      if (!existsSync(report)) return resolve({ passed: 0, failed: 1, note: `vitest ended with ${code}` });
      const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, "utf8"));
      const suites = testResults.filter((one) => one.status === "failed" && one.assertionResults.length === 0);
      const syntax = suites.some((one) => /PARSE_ERROR|SyntaxError|Transform failed/i.test(one.message));
      return resolve({
        passed: numPassedTests,
        failed: numFailedTests + suites.length,
        note: syntax ? "syntax" : suites.length > 0 ? "import" : "",
      });
    });
  });
}

/** Names a mutant without its line, so that results outlive edits elsewhere. */
const keyOf = ({ file, name, kind, from, to, nth }) =>
  [file, name, kind, from, to, ...(nth > 0 ? [nth] : [])].join(" | ");
const show = ({ file, line, name, kind, from, to }) =>
  `${file}:${line} ${name}: ${kind}: ${from.trim()} -> ${kind.startsWith("first") ? "..." : to.trim() || "nothing"}`;

async function main() {
  const wanted = process.argv.slice(2).filter((word) => !word.startsWith("--"));
  const files = readdirSync(join(root, "src", "ops")).filter(
    (file) => !["names.ts", "table.ts", "define.ts", "emit.ts", "emitter.ts", "channels.ts"].includes(file),
  );
  const blocks = files.flatMap((file) => blocksOf(file, readFileSync(join(root, "src", "ops", file), "utf8")));
  const all = files.flatMap((file) => mutantsOf(file, blocks));
  const before = new Map(readResults().map((one) => [one.key, one.state]));
  const chosen = all.filter(
    (one) =>
      (wanted.length === 0 || wanted.includes(one.name)) &&
      (!process.argv.includes("--survivors") || ["survived", undefined].includes(before.get(keyOf(one)))),
  );
  if (process.argv.includes("--list")) {
    for (const one of chosen) console.log(show(one));
    console.log(`${chosen.length} mutants`);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "mutants-"));
  try {
    for (const part of [
      "src",
      "test/ops",
      "test/prune",
      "test/support",
      "test/onnx/support.ts",
      "test/fixtures/operators.json",
      "package.json",
      "tsconfig.json",
      "vitest.config.ts",
    ])
      cpSync(join(root, part), join(folder, part), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "dir");
    const { passed, failed, note } = await runLaws(folder, {
      ops: [...new Set(chosen.flatMap((one) => one.ops))],
      wide: true,
    });
    if (failed > 0 || passed === 0)
      throw new Error(`without any mutant the laws do not pass: ${passed} passed, ${failed} failed ${note}`);
    const results = [];
    for (const one of chosen) {
      const path = join(folder, "src", "ops", one.file);
      const source = readFileSync(path, "utf8");
      writeFileSync(path, source.slice(0, one.start) + one.to + source.slice(one.end));
      const { failed, note } = await runLaws(folder, one);
      writeFileSync(path, source);
      const reason = equivalent(one);
      const state = note === "syntax" ? "invalid" : failed > 0 ? "killed" : reason ? "equivalent" : "survived";
      results.push({ ...one, state, reason });
      console.log(
        `${String(results.length).padStart(4)}/${chosen.length} ${state.padEnd(10)} ${show(one)}${note ? ` (${note})` : ""}`,
      );
    }
    report(results, all);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns {{ key: string, state: string }[]} what the last run found */
function readResults() {
  return existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, "utf8")).mutants : [];
}

/** Prints a table by operator and writes the results, those of mutants that were not run kept as they were. */
function report(results, all) {
  const now = new Map(results.map((one) => [keyOf(one), one.state]));
  const before = new Map(readResults().map((one) => [one.key, one.state]));
  const mutants = all.flatMap((one) => {
    const known = now.get(keyOf(one)) ?? before.get(keyOf(one));
    const state = known === "survived" && equivalent(one) ? "equivalent" : known;
    return state ? [{ ...one, state }] : [];
  });
  const count = (list, state) => list.filter((one) => one.state === state).length;
  const states = ["killed", "survived", "equivalent", "invalid"];
  console.log(`\n${"".padEnd(24)}${states.map((state) => state.padStart(12)).join("")}`);
  for (const name of new Set(mutants.map((one) => one.name))) {
    const own = mutants.filter((one) => one.name === name);
    console.log(`${name.padEnd(24)}${states.map((state) => String(count(own, state)).padStart(12)).join("")}`);
  }
  console.log(`${"all".padEnd(24)}${states.map((state) => String(count(mutants, state)).padStart(12)).join("")}`);
  const survivors = mutants.filter((one) => one.state === "survived");
  for (const one of survivors) console.log(`survived: ${show(one)}`);
  const stored = {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    counts: Object.fromEntries(states.map((state) => [state, count(mutants, state)])),
    survivors: survivors.map(show),
    equivalent: mutants.filter((one) => one.state === "equivalent").map((one) => `${show(one)} — ${equivalent(one)}`),
    mutants: mutants.map((one) => ({ key: keyOf(one), state: one.state })),
  };
  writeFileSync(resultsFile, `${JSON.stringify(stored, null, 1)}\n`);
  process.exitCode = survivors.length > 0 ? 1 : 0;
}

await main();
