/**
 * Cuts the files that scripts/zoo/exports.py wrote, and runs what is written at other sizes than it was made at:
 * node scripts/zoo/written.mjs CACHE [--only WORD,WORD] [--limit SECONDS] [--python INTERPRETER,INTERPRETER]
 *
 * Each file goes through inspect, plan, cut, mask and save as a user would call them, in a process of its own. The original, the cut and the mask
 * then run at batch 1, 2 and 5 and at two lengths or sizes where the file leaves them open. --python names interpreters with
 * onnxruntime, and onnx in the first: written files are checked by onnx.checker, and must load wherever their source does.
 * Makes docs/zoo-written.json and docs/zoo-written.md; rows of files that are not tried now stay as they were.
 */

import { execFileSync, fork } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readFlags } from "../lib/flags.mjs";
import { writtenPage } from "./written-table.mjs";

const { values: options, positionals } = readFlags(import.meta.url, {
  allowPositionals: true,
  options: {
    only: { type: "string" },
    limit: { type: "string", default: "300" },
    python: { type: "string", default: "" },
  },
});
const [cache] = positionals;
if (!cache || !existsSync(cache)) throw new Error("name the folder that scripts/zoo/exports.py wrote");
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const results = here("../../docs/zoo-written.json");
const written = join(cache, "written");
mkdirSync(written, { recursive: true });

const words = options.only?.split(",");
const heads = readdirSync(cache)
  .filter((file) => file.endsWith(".json"))
  .map((file) => JSON.parse(readFileSync(join(cache, file), "utf8")))
  .filter(({ name }) => !words || words.some((word) => name.includes(word)));

/** The row of one file: what was found, and what failed. */
function tryFile(head) {
  const row = { name: head.name, family: head.family, torch: head.torch, errors: {} };
  if (head.failed !== undefined) return { ...row, errors: { export: head.failed } };
  return new Promise((done) => {
    const path = join(cache, head.name);
    const child = fork(here("written-one.mjs"), [path, join(written, head.name)], {
      stdio: ["ignore", "inherit", "ignore", "ipc"],
    });
    let running = "start";
    const timer = setTimeout(() => child.kill("SIGKILL"), Number(options.limit) * 1000);
    child.on("message", ({ stage, started, result, error }) => {
      if (started) running = started;
      else if (error === undefined) row[stage] = result;
      else row.errors[stage] = error;
      if (stage) running = "";
    });
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (running !== "") row.errors[running] = `the process ended by ${signal ?? `exit code ${code}`}`;
      done(row);
    });
  });
}

/** What onnx.checker and each onnxruntime say of a file, its cut and its mask. */
function checkAll(rows) {
  const paths = rows.flatMap(({ name }) =>
    [join(cache, name), join(written, `${name}.cut`), join(written, `${name}.mask`)].filter((path) =>
      existsSync(`${path}.onnx`),
    ),
  );
  for (const python of options.python.split(",").filter(Boolean)) {
    const said = execFileSync(python, [here("check.py"), "-"], {
      input: paths.join("\n"),
      maxBuffer: 2 ** 28,
      stdio: ["pipe", "pipe", "ignore"],
    });
    const found = new Map(
      String(said)
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
        .map((one) => [one.path, one]),
    );
    for (const row of rows) {
      const source = found.get(join(cache, row.name));
      for (const kind of ["cut", "mask"]) {
        const made = found.get(join(written, `${row.name}.${kind}`));
        if (!source || !made) continue;
        if (made.checker && !source.checker) row.errors[`${kind} in onnx.checker`] = made.checker;
        if (made.load && !source.load) row.errors[`${kind} in onnxruntime ${made.version}`] = made.load;
      }
      if (source && !source.load) row.loads = [...new Set([...(row.loads ?? []), source.version])];
    }
  }
}

const known = existsSync(results) ? JSON.parse(readFileSync(results, "utf8")) : { rows: [] };
const rows = new Map(known.rows.map((row) => [row.name, row]));
const now = [];
for (const head of heads) {
  const start = performance.now();
  const row = await tryFile(head);
  rows.set(row.name, row);
  now.push(row);
  const failed = Object.entries(row.errors).map(([stage, why]) => `; ${stage}: ${why}`);
  console.error(
    `${row.name}: ${((performance.now() - start) / 1000).toFixed(0)} s, ${row.inspect?.units ?? "no"} units, cut - mask ${row.run?.difference ?? "-"}${failed.join("")}`,
  );
}
checkAll(now);
const data = {
  command: "npm run zoo:written",
  date: new Date().toISOString().slice(0, 10),
  secateur: JSON.parse(readFileSync(here("../../package.json"), "utf8")).version,
  node: process.version,
  processor: `${cpus()[0]?.model.trim()}, ${cpus().length} threads`,
  rows: [...rows.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
};
const { rows: list, ...facts } = data;
writeFileSync(
  results,
  `${JSON.stringify(facts).slice(0, -1)},"rows":[\n${list.map((row) => JSON.stringify(row)).join(",\n")}\n]}\n`,
);
writeFileSync(here("../../docs/zoo-written.md"), writtenPage(data));
console.error(
  `${now.length} files, ${now.filter(({ errors }) => Object.keys(errors).some((stage) => stage !== "export")).length} with a failure`,
);
