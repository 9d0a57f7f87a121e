/**
 * What a queue costs: a network scored in shards by worker processes of this machine, beside one process with as many
 * threads. `npm run experiment:queue -- --model MODEL --data SPEC [--batches 32] [--shards 16] [--workers 2]
 * [--rounds 3]`.
 *
 * Times alternate, so that what else runs on the machine falls on both. Beside the time on the clock stands the time of
 * processors, which others disturb less.
 */

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    data: { type: "string" },
    batches: { type: "string", default: "32" },
    shards: { type: "string", default: "16" },
    workers: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
  },
});
if (values.model === undefined || values.data === undefined)
  throw new Error("name the network and its data: --model resnet56-cifar10.onnx --data cifar10:FOLDER");
const [batches, shards, workers, rounds] = ["batches", "shards", "workers", "rounds"].map((key) => Number(values[key]));
const cli = new URL("../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "secateur-queue-"));

const port = await new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});
const children = [];
const start = (command, args) => {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  child.said = "";
  child.stderr.on("data", (text) => (child.said += text));
  children.push(child);
  return child;
};
/** Seconds of processors that a process and its threads have had. */
const processorsOf = ({ pid }) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

/** Runs the command line, and says how long it took on the clock and of processors. */
async function timed(args) {
  const started = performance.now();
  const child = start(process.execPath, [cli, "score", values.model, "--data", values.data, ...args]);
  let processors = 0;
  const watch = setInterval(() => {
    try {
      processors = processorsOf(child);
    } catch {
      // It has ended.
    }
  }, 50);
  const code = await new Promise((resolve) => child.once("exit", resolve));
  clearInterval(watch);
  if (code !== 0) throw new Error(child.said);
  return { seconds: (performance.now() - started) / 1000, processors };
}

try {
  start("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]);
  await sleep(1000);
  const shared = ["--queue", `redis://127.0.0.1:${port}`, "--store", join(folder, "store")];
  const machines = Array.from({ length: workers }, (_, i) =>
    start(process.execPath, [cli, "worker", ...shared, "--cache", join(folder, `cache-${i}`), "--threads", "1"]),
  );
  while (!machines.every(({ said }) => said.includes("works for"))) await sleep(50);
  const found = { one: [], many: [] };
  for (let round = 0; round < rounds; round++) {
    const work = ["--batches", String(batches), "--seed", String(round + 1)];
    const files = ["one", "many"].map((name) => join(folder, `${name}-${round}.json`));
    found.one.push(await timed([...work, "--threads", String(workers), "-o", files[0]]));
    const before = machines.map(processorsOf);
    const cache = ["--cache", join(folder, "cache"), "--shards", String(shards), "--threads", "1"];
    const many = await timed([...work, ...shared, ...cache, "-o", files[1]]);
    for (const [i, machine] of machines.entries()) many.processors += processorsOf(machine) - before[i];
    found.many.push(many);
    const [a, b] = files.map((file) => readFileSync(file));
    console.error(JSON.stringify({ round, one: found.one.at(-1), many, same: a.equals(b) }));
  }
  const median = (list, key) => list.map((one) => one[key]).toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
  console.log(
    JSON.stringify({
      date: new Date().toISOString().slice(0, 10),
      model: values.model.split("/").at(-1),
      batches,
      shards,
      workers,
      rounds,
      seconds: { oneProcess: median(found.one, "seconds"), queue: median(found.many, "seconds") },
      processors: { oneProcess: median(found.one, "processors"), queue: median(found.many, "processors") },
      ratio: median(found.one, "seconds") / median(found.many, "seconds"),
      ratioOfProcessors: median(found.one, "processors") / median(found.many, "processors"),
    }),
  );
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
