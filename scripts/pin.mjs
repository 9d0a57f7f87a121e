/**
 * Pins what the commands write: a sha256 for each file, for a dozen nets. Run it before a change that must not change a number, and after.
 *
 * Usage: npm run pin -- --write pins.json        before
 *        npm run pin -- --against pins.json      after; exit code 1 where a file differs
 *        [--nets a,b] [--jobs 2]
 *
 * The same bytes are promised on the same machine only, so pins are no part of the repository.
 */

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { readFlags } from "./lib/flags.mjs";

const { values: flags } = readFlags(import.meta.url, {
  options: {
    write: { type: "string" },
    against: { type: "string" },
    nets: { type: "string" },
    jobs: { type: "string", default: "2" },
  },
});
const main = new URL("../dist/cli/main.js", import.meta.url).pathname;
const fixtures = new URL("../test/fixtures/nets/", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "secateur-pin-"));

/** Nets that are measured by every criterion; the others by two. */
const measured = new Set(["residual-conv", "plain-cnn", "transformer", "depthwise"]);
/** Nets by what they are made of. */
const nets = [
  "residual-conv",
  "plain-cnn",
  "transformer",
  "depthwise",
  "vgg-folded",
  "grouped",
  "inception",
  "lstm",
  "mobilenet-v3",
  "dense",
  "shuffle-v2",
  "windows",
].filter((net) => flags.nets === undefined || flags.nets.split(",").includes(net));
const samples = 96;

function npy(descr, shape, data) {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const header = `${text.padEnd(117 + 64 * Math.floor(text.length / 117))}\n`;
  const head = Buffer.from(`\x93NUMPY\x01\x00\0\0${header}`, "latin1");
  head.writeUInt16LE(header.length, 8);
  return Buffer.concat([head, Buffer.from(data.buffer)]);
}

/** Seeded noise, labelled by what the net itself says. */
async function writeData(net, at) {
  const session = await ort.InferenceSession.create(`${fixtures}${net}.onnx`, { logSeverityLevel: 3 });
  const sizes = session.inputMetadata[0].shape.slice(1);
  let state = 1;
  const noise = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const count = sizes.reduce((a, b) => a * b, samples);
  const x = Float32Array.from({ length: count }, () => noise() + noise() + noise() + noise() - 2);
  const { [session.outputNames[0]]: y } = await session.run({
    [session.inputNames[0]]: new ort.Tensor("float32", x, [samples, ...sizes]),
  });
  await session.release();
  const classes = y.dims[1];
  const label = BigInt64Array.from({ length: samples }, (_, n) => {
    const row = Array.from(y.data.slice(n * classes, (n + 1) * classes));
    return BigInt(row.indexOf(Math.max(...row)));
  });
  mkdirSync(at, { recursive: true });
  for (const part of ["train", "test"]) {
    writeFileSync(join(at, `x_${part}.npy`), npy("<f4", [samples, ...sizes], x));
    writeFileSync(join(at, `y_${part}.npy`), npy("<i8", [samples], label));
  }
}

const learning = "--batch-size 16 --threads 1 --learning-rate 0.01";
const pruning = `${learning} --macs 0.6 --every 3 --prune-learning-rate 0.005 --epochs 1`;

/** Commands by the file that they write; `$` is the net's folder. */
function commandsOf(net, criteria) {
  const source = `${fixtures}${net}.onnx`;
  const data = "--data npz:$/data";
  const prune = (options) => `prune ${source} ${data} ${pruning} ${options}`;
  const all = {
    "plan.json": `plan ${source} --ratio 0.3 -o $/plan.json`,
    "cut.onnx": `cut ${source} --plan $/plan.json -o $/cut.onnx`,
    "mask.onnx": `mask ${source} --plan $/plan.json -o $/mask.onnx`,
    "grad.onnx": `grad ${source} --batch 4 -o $/grad.onnx`,
    "gates.onnx": `grad ${source} --batch 4 --wrt gates --train -o $/gates.onnx`,
    "sgd.onnx": prune("--seed 1 -o $/sgd.onnx"),
    "adamw.onnx": prune("--seed 2 --optimiser adamw --criterion taylor-fo-fg -o $/adamw.onnx"),
    "workers.onnx": prune("--seed 1 --workers 2 -o $/workers.onnx"),
    "teacher.onnx": prune("--seed 3 --targets teacher -o $/teacher.onnx"),
    "auto.onnx": `prune ${source} ${data} --batch-size 16 --threads 1 --params 0.7 --epochs 1 -o $/auto.onnx`,
    "finetuned.onnx": `finetune ${source} ${data} ${learning} --epochs 2 -o $/finetuned.onnx`,
    "trained.onnx": `train ${source} ${data} ${learning} --epochs 2 --optimiser adamw --label-smoothing 0.1 -o $/trained.onnx`,
  };
  for (const name of criteria)
    all[`${name}.json`] =
      `score ${source} ${data} --criterion ${name} --batches 2 --batch-size 16 --threads 1 --json $/${name}.json`;
  return all;
}

async function secateur(argv, killAfter) {
  const child = spawn(process.execPath, [main, ...argv], { stdio: ["ignore", "ignore", "pipe"], cwd: folder });
  let said = "";
  child.stderr.on("data", (text) => (said += text));
  const timer = killAfter && setTimeout(() => child.kill("SIGKILL"), killAfter);
  const [code] = await once(child, "close");
  clearTimeout(timer);
  return { code, said };
}

/** What a command wrote; a command that ends otherwise than done or not met is pinned by its code and words. */
const pinOf = (file, { code, said }) =>
  existsSync(file)
    ? createHash("sha256").update(readFileSync(file)).digest("hex")
    : `exit ${code}: ${said.trim().split("\n").at(-1).replaceAll(folder, "")}`;

async function pinNet(net, criteria, pins) {
  const at = join(folder, net);
  await writeData(net, join(at, "data"));
  const expand = (line) => line.replaceAll("$", at).split(" ");
  for (const [name, line] of Object.entries(commandsOf(net, criteria))) {
    pins[`${net}/${name}`] = pinOf(join(at, name), await secateur(expand(line)));
    process.stderr.write(`${net}/${name}: ${pins[`${net}/${name}`].slice(0, 60)}\n`);
  }
  // A run that is killed and gone on with.
  const [line, run, output] = [commandsOf(net, [])["sgd.onnx"], join(at, "resumed.run"), join(at, "resumed.onnx")];
  const argv = expand(line.replace("$/sgd.onnx", "$/resumed.onnx --checkpoint-every 0"));
  let ended = await secateur(argv, 2500);
  if (existsSync(join(run, "config.json")) && !existsSync(output)) ended = await secateur(["prune", "--resume", run]);
  else if (!existsSync(output)) ended = await secateur(argv);
  pins[`${net}/resumed.onnx`] = pinOf(output, ended);
}

const criteria = JSON.parse(execFileSync(process.execPath, [main, "criteria", "--json"], { encoding: "utf8" }))
  .map(({ name }) => name)
  .filter((name) => !name.startsWith("oracle-comb"));

const pins = {};
const left = nets.map((net) => ({ net, criteria: measured.has(net) ? criteria : criteria.slice(0, 2) }));
await Promise.all(
  Array.from({ length: Number(flags.jobs) }, async () => {
    for (let next = left.shift(); next; next = left.shift()) await pinNet(next.net, next.criteria, pins);
  }),
);
rmSync(folder, { recursive: true });
const sorted = Object.fromEntries(Object.entries(pins).sort(([a], [b]) => (a < b ? -1 : 1)));
if (flags.write) writeFileSync(flags.write, `${JSON.stringify(sorted, undefined, 1)}\n`);
if (flags.against) {
  const before = JSON.parse(readFileSync(flags.against, "utf8"));
  const differing = Object.keys(sorted).filter((name) => before[name] !== sorted[name]);
  for (const name of differing) console.log(`${name}: ${before[name]} before, ${sorted[name]} now`);
  console.log(`${Object.keys(sorted).length - differing.length} of ${Object.keys(sorted).length} files are the same`);
  process.exitCode = differing.length > 0 ? 1 : 0;
} else console.log(`${Object.keys(sorted).length} files pinned`);
