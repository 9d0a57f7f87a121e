/**
 * Takes one file the way a user would and sends each part to the parent as it is done. Started by written.mjs: written-one.mjs PATH OUT,
 * where PATH.onnx and PATH.json are what exports.py wrote, and OUT.cut.onnx and OUT.mask.onnx are written.
 */

import { readFileSync } from "node:fs";
import ort from "onnxruntime-node";
import { cut, inspect, load, mask, plan, save, SecateurError } from "../../dist/node.js";

const [path, out] = process.argv.slice(2);
const head = JSON.parse(readFileSync(`${path}.json`, "utf8"));
const send = (part) => new Promise((done) => process.send(part, done));

async function stage(name, work) {
  await send({ started: name });
  try {
    const result = await work();
    await send({ stage: name, result: result ?? null });
    return true;
  } catch (error) {
    const said = error instanceof SecateurError ? error.message : String(error?.stack ?? error);
    await send({ stage: name, error: said.split("\n").slice(0, 3).join(" ").slice(0, 500) });
    return false;
  }
}

/** Numbers that look random and are the same every time. */
function* numbers(seed) {
  let state = seed >>> 0;
  while (true) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** The inputs at a batch and at sizes by symbol. */
function feedsAt(names, batch, sizes) {
  return Object.fromEntries(
    head.inputs
      .filter(({ name }) => names.includes(name))
      .map(({ name, shape, ids, ones, axes }, i) => {
        const dims = [batch, ...shape].map((dim, axis) => (axis > 0 ? (sizes[axes[axis]] ?? dim) : dim));
        const count = dims.reduce((a, b) => a * b, 1);
        const draw = numbers(i + 7 * batch);
        if (ids || ones)
          return [
            name,
            new ort.Tensor(
              "int64",
              BigInt64Array.from({ length: count }, () => (ones ? 1n : BigInt(Math.floor(draw.next().value * ids)))),
              dims,
            ),
          ];
        return [
          name,
          new ort.Tensor(
            "float32",
            Float32Array.from({ length: count }, () => draw.next().value * 3 - 1.5),
            dims,
          ),
        ];
      }),
  );
}

const open = Object.keys(head.sizes).length > 0 && head.inputs.some(({ axes }) => Object.keys(axes).length > 1);
const isFixed = head.inputs.every(({ axes }) => Object.keys(axes).length === 0);
const sizesTried = open ? [{}, head.sizes] : [{}];
const runs = (isFixed ? [1] : [1, 2, 5]).flatMap((batch) => sizesTried.map((sizes) => ({ batch, sizes })));

const openSession = async (file) => {
  try {
    return await ort.InferenceSession.create(file, { logSeverityLevel: 4 });
  } catch (error) {
    // A known fault of onnxruntime's optimiser on valid graphs.
    if (!String(error).includes("is not a graph input")) throw error;
    return ort.InferenceSession.create(file, { logSeverityLevel: 4, graphOptimizationLevel: "disabled" });
  }
};

let model;
let summary;
let removal;

async function main() {
  if (!(await stage("inspect", look))) return;
  if (!(await stage("plan", choose))) return;
  if (!(await stage("cut", cutAll))) return;
  if (!(await stage("mask", maskAll))) return;
  await stage("run", runAll);
}

async function look() {
  model = await load(`${path}.onnx`);
  summary = await inspect(model);
  const { groups, frozen, refused, opset, macs, params } = summary;
  const units = (list) => list.reduce((n, one) => n + one.units, 0);
  return {
    opset,
    macs,
    params,
    groups: groups.length,
    units: units(groups),
    frozen: frozen.map(({ name, units: count, reasons }) => ({ name, units: count, reason: reasons[0] })),
    refused: refused.length,
  };
}

/** Groups whose removal is not what zeroing is are left out here: the proof compares those stretch by stretch. */
async function choose() {
  ({ removal } = await plan(model, { ratio: 0.3 }));
  const exact = new Set(summary.groups.filter(({ inexact }) => inexact.length === 0).map(({ name }) => name));
  const kept = new Map([...removal].filter(([name]) => exact.has(name)));
  const count = (map) => [...map.values()].reduce((n, list) => n + list.length, 0);
  const chosen = { all: count(removal), exact: count(kept) };
  if (kept.size > 0) exactRemoval = kept;
  return chosen;
}
let exactRemoval;

/** All of the plan, proved, and the part of it that end-to-end outputs can be compared of. */
async function cutAll() {
  const { model: small, before, after, proof } = await cut(model, removal);
  await save(`${out}.all.onnx`, small);
  await save(`${out}.cut.onnx`, (await cut(model, exactRemoval ?? removal, { prove: false })).model);
  return {
    macs: after.macs / before.macs,
    params: after.params / before.params,
    proof: proof.difference,
    elements: proof.elements,
  };
}

async function maskAll() {
  await save(`${out}.mask.onnx`, (await mask(model, exactRemoval ?? removal)).model);
}

async function runAll() {
  const sessions = {};
  for (const [name, file] of [
    ["whole", `${path}.onnx`],
    ["cut", `${out}.cut.onnx`],
    ["mask", `${out}.mask.onnx`],
    ["all", `${out}.all.onnx`],
  ])
    sessions[name] = await openSession(file);
  let largest = 0;
  const ran = [];
  for (const { batch, sizes } of runs) {
    const at = `batch ${batch}${Object.entries(sizes)
      .map(([symbol, size]) => `, ${symbol} ${size}`)
      .join("")}`;
    const feeds = feedsAt(sessions.whole.inputNames, batch, sizes);
    let whole;
    try {
      whole = await sessions.whole.run(feeds);
    } catch {
      // What the source itself does not run is not asked of the cut.
      ran.push(`${at}: not by the source`);
      continue;
    }
    const results = {};
    for (const kind of ["cut", "mask", "all"])
      try {
        results[kind] = await sessions[kind].run(feeds);
      } catch (error) {
        throw new Error(`${kind} does not run at ${at}: ${String(error).slice(0, 250)}`, { cause: error });
      }
    for (const [name, value] of Object.entries(whole)) {
      for (const kind of ["cut", "all"])
        if (results[kind][name].dims.join() !== value.dims.join())
          throw new Error(`"${name}" of ${kind} is [${results[kind][name].dims}] and not [${value.dims}] at ${at}`);
      if (exactRemoval === undefined || value.type !== "float32") continue;
      const [a, b] = [results.cut[name].data, results.mask[name].data];
      let [range, apart] = [0, 0];
      for (let i = 0; i < a.length; i++) {
        range = Math.max(range, Math.abs(b[i]));
        const one = Math.abs(a[i] - b[i]);
        apart =
          one <= apart
            ? apart
            : Number.isNaN(one) && Number.isNaN(a[i]) && Number.isNaN(b[i])
              ? apart
              : Number.isNaN(one)
                ? Infinity
                : one;
      }
      largest = Math.max(largest, apart === 0 ? 0 : apart / Math.max(range, 1e-30));
    }
    ran.push(at);
  }
  if (largest > 2e-4) throw new Error(`cut and mask differ by ${largest.toPrecision(2)} of the range`);
  return { ran, difference: exactRemoval === undefined ? null : Number(largest.toPrecision(2)) };
}

await main();
process.disconnect();
