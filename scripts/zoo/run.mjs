/**
 * Makes docs/zoo.json and docs/zoo.md: node scripts/zoo/run.mjs [CACHE] [--light FOLDER] [--only NAME,NAME] [--limit SECONDS]
 *
 * CACHE (default ~/.cache/secateur-zoo) is what scripts/zoo/export.py wrote; FOLDER (default ../shared/data/onnx-light) has the model
 * zoo's graphs without weights, light_*.onnx, and may be absent. Each network is measured by a process of its own. Rows of networks that are not measured now stay as they were.
 */

import { fork } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readFlags } from "../lib/flags.mjs";
import { readHeader } from "./reference.mjs";
import { document } from "./table.mjs";

const { values: options, positionals } = readFlags(import.meta.url, {
  allowPositionals: true,
  options: {
    only: { type: "string" },
    light: { type: "string", default: fileURLToPath(new URL("../../../shared/data/onnx-light", import.meta.url)) },
    limit: { type: "string", default: "600" },
  },
});
const cache = positionals[0] ?? join(homedir(), ".cache/secateur-zoo");
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const results = here("../../docs/zoo.json");
const version = (name) => JSON.parse(readFileSync(here(`../../node_modules/${name}/package.json`), "utf8")).version;

/** Every network there is: what the row says before anything is measured, and the files. */
function networks() {
  if (!existsSync(cache)) throw new Error(`${cache} does not exist; run scripts/zoo/export.py first`);
  const exported = readdirSync(cache)
    .filter((file) => file.endsWith(".json"))
    .map((file) => join(cache, file.slice(0, -".json".length)))
    .map((path) => {
      const { name, note, form, parameters, torch, failed } = readHeader(path);
      return { name, note, form, parameters, torch, failed, path: `${path}.onnx`, reference: path };
    });
  const light = !existsSync(options.light) ? [] : readdirSync(options.light).filter((file) => file.endsWith(".onnx"));
  const note = "model zoo's graph without weights; random ones were drawn, and the output compared is the logits";
  return [
    ...exported,
    ...light.map((file) => ({ name: file.slice(0, -".onnx".length), note, path: join(options.light, file) })),
  ];
}

/** The row of one network: its parts, and why a part is missing. */
function measure({ path, reference, failed, ...facts }) {
  const row = { ...facts, date: new Date().toISOString().slice(0, 10), errors: {} };
  if (failed !== undefined) return { ...row, errors: { export: failed } };
  return new Promise((done) => {
    const child = fork(here("measure.mjs"), [path, ...(reference ? [reference] : [])], { stdio: "inherit" });
    let running = "start";
    let late = false;
    const timer = setTimeout(
      () => {
        late = true;
        child.kill("SIGKILL");
      },
      Number(options.limit) * 1000,
    );
    child.on("message", ({ started, stage, result, error }) => {
      if (started) running = started;
      else if (error === undefined) row[stage] = result;
      else row.errors[stage] = error;
      if (stage) running = "";
    });
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (running !== "")
        row.errors[running] = late
          ? `stopped after ${options.limit} seconds`
          : `the process ended by ${signal ?? `exit code ${code}`}`;
      done(row);
    });
  });
}

const known = existsSync(results) ? JSON.parse(readFileSync(results, "utf8")) : { rows: [] };
const rows = new Map(known.rows.map((row) => [row.name, row]));
const only = options.only?.split(",");
const all = networks();
const unknown = only?.find((name) => !all.some((net) => net.name === name));
if (unknown) throw new Error(`there is no network "${unknown}"`);
for (const network of all.filter(({ name }) => !only || only.includes(name))) {
  const start = performance.now();
  const row = await measure(network);
  rows.set(row.name, row);
  const failed = Object.entries(row.errors).map(([stage, why]) => `; ${stage}: ${why}`);
  console.error(
    `${row.name}: ${((performance.now() - start) / 1000).toFixed(0)} s, ${row.analyse?.groups ?? "no"} groups, law ${row.law?.difference ?? "-"}, gradient ${row.gradient?.error ?? "-"}${failed.join("")}`,
  );
  // Written after every network, so that a run that is stopped has done something.
  write();
}

function write() {
  const data = {
    command: "npm run zoo",
    date: new Date().toISOString().slice(0, 10),
    versions: {
      secateur: JSON.parse(readFileSync(here("../../package.json"), "utf8")).version,
      node: process.version,
      "onnxruntime-node": version("onnxruntime-node"),
      torch: all.find(({ torch }) => torch)?.torch,
    },
    processor: `${cpus()[0]?.model.trim()}, ${cpus().length} threads`,
    rows: [...rows.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
  const { rows: list, ...facts } = data;
  const lines = list.map((row) => JSON.stringify(row)).join(",\n");
  writeFileSync(results, `${JSON.stringify(facts).slice(0, -1)},"rows":[\n${lines}\n]}\n`);
  writeFileSync(here("../../docs/zoo.md"), document(data));
}
