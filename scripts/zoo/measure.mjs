/**
 * Measures one network of the zoo in a process of its own and sends each part to the parent as it is done, so that what is known
 * survives a crash. Started by run.mjs: measure.mjs MODEL.onnx [REFERENCE]
 */

import {
  analyse,
  cutGraph,
  findCriterion,
  gradientGraph,
  prepare,
  prove,
  readModelFile,
  selectShare,
} from "../../dist/graphs-node.js";
import { encodeModel, nodeRuntime, SecateurError } from "../../dist/node.js";
import { headOf } from "../../dist/passes/heads.js";
import { drawInputs } from "../../dist/prune/proof/draw.js";
import { newModelOf, randomWeights } from "./weights.mjs";
import { norm, openArrays, readHeader, relativeError, sketch } from "./reference.mjs";

const [path, reference] = process.argv.slice(2);
const share = { ratio: 0.5, scope: "local" };
/** Parameters whose gradient is so small a part of the largest one's are rounding. */
const negligible = 1e-6;

const send = (part) => new Promise((done) => process.send(part, done));

async function stage(name, work) {
  await send({ started: name });
  try {
    await send({ stage: name, result: (await work()) ?? null });
    return true;
  } catch (error) {
    const short = error instanceof SecateurError ? error.message : String(error?.stack ?? error);
    await send({ stage: name, error: short.split("\n").slice(0, 4).join(" ").slice(0, 600) });
    return false;
  }
}

const seconds = (from) => (performance.now() - from) / 1000;

let model;
let groups;
let graph;

async function main() {
  const ready = await stage("analyse", async () => {
    const start = performance.now();
    model = await readModelFile(path);
    const loaded = seconds(start);
    graph = prepare(model);
    groups = analyse(graph);
    const { frozen, traced } = groups;
    const analysed = seconds(start);
    return {
      opset: model.fileOpset,
      input: model.graph.inputs.map(({ shape }) => shape.map((dim) => (typeof dim === "string" ? "N" : dim)).join("×")),
      nodes: graph.nodes.length,
      fileNodes: model.graph.nodes.length,
      seconds: { load: loaded, total: analysed },
      groups: groups.groups.length,
      units: groups.groups.reduce((n, { units }) => n + units.length, 0),
      inexact: groups.groups.flatMap(({ name, inexact }) => (inexact.length > 0 ? [{ name, reasons: inexact }] : [])),
      frozen,
      refused: traced.refusals.map(({ node, reason }) => ({ op: node.op, node: node.name || node.outputs[0], reason })),
    };
  });
  if (!ready) return;
  if (reference === undefined) {
    // Weights that are all one number tell little: the structure is the file's, the weights are drawn. Probabilities would hide most
    // of what becomes of the logits.
    await stage("as it is", () => law(groups, graph));
    const { name } = graph.outputs[0];
    const logits = headOf(graph, name)?.logits ?? name;
    graph = { ...randomWeights(graph), outputs: [{ name: logits, dtype: "float32" }] };
    groups = analyse(graph);
  }
  await stage("costs", async () => {
    const small = cutGraph(graph, groups, choose(groups, graph)).graph;
    return { before: analyse(graph).costs, after: analyse(small).costs };
  });
  await stage("law", () => law(groups, graph));
  await stage("latency", latency);
  if (reference !== undefined) await stage("gradient", gradients);
}

function choose(found, { initializers }, options = share) {
  return selectShare(found, findCriterion("magnitude").score(found, initializers, 0), options);
}

/** Cut and mask run side by side on random inputs. */
async function law(found, one) {
  const { difference, between, elements, notFinite, mismatch } = await prove(
    nodeRuntime,
    newModelOf(model, one),
    found,
    choose(found, one),
    { seed: 1 },
  );
  // JSON has no infinity.
  return { difference: String(difference), between, elements, notFinite, mismatch };
}

/** Median milliseconds at batch 1 of the whole and of the cut net, taking turns. */
async function latency() {
  const removal = choose(groups, graph, { ...share, roundTo: 8 });
  const graphs = { before: graph, after: cutGraph(graph, groups, removal).graph };
  const feeds = drawInputs(analyse(graph).traced, 2);
  const runs = [];
  for (const [name, one] of Object.entries(graphs))
    runs.push({ name, session: await nodeRuntime.load(encodeModel(newModelOf(model, one))), times: [] });
  const start = performance.now();
  // Threads of the one net go on spinning for a while when the other's turn comes: the first run of each turn does not count.
  for (let turn = 0; turn < 20 && (turn < 3 || seconds(start) < 6); turn++)
    for (const { session, times } of runs)
      for (let i = 0; i < 5; i++) {
        const from = performance.now();
        await session.run(feeds);
        if (turn > 0 && i > 0) times.push(performance.now() - from);
      }
  for (const { session } of runs) await session.dispose();
  const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
  return Object.fromEntries(runs.map(({ name, times }) => [name, median(times)]));
}

/** The gradient graph against PyTorch's gradients of the same batch. */
async function gradients() {
  const header = readHeader(reference);
  const array = openArrays(reference);
  const { input, target, expected } = header;
  const loss = header.loss === "crossEntropy" ? "cross-entropy" : "mse";
  const start = performance.now();
  const whole = gradientGraph(graph, { batch: input.shape[0], loss, train: false, wrt: "parameters" });
  const written = seconds(start);
  const session = await nodeRuntime.load(encodeModel(newModelOf(model, whole)));
  const results = await session.run({ [graph.inputs[0].name]: array(input), target: array(target) });
  const actualLoss = Number(results.loss.data[0]);
  const names = Object.keys(expected.gradients);
  const wanted = new Map(names.map((name) => [name, array(expected.gradients[name]).data]));
  const largest = Math.max(...[...wanted.values()].map(norm));
  const missing = [];
  const skipped = [];
  const errors = [];
  for (const [name, values] of wanted) {
    const found = results[`grad/${name}`];
    if (found === undefined) missing.push(name);
    else if (norm(values) < negligible * largest) skipped.push(name);
    else {
      const { sketch: sketched } = expected.gradients[name];
      errors.push({ name, error: relativeError(sketched ? sketch(found.data) : found.data, values) });
    }
  }
  errors.sort((a, b) => (a.error < b.error ? 1 : -1));
  const odd = errors.filter(({ error }) => !Number.isFinite(error));
  return {
    nodes: whole.nodes.length,
    seconds: written,
    loss: { expected: expected.loss, actual: String(actualLoss) },
    error: String(odd.length > 0 ? Number.NaN : errors[0].error),
    worst: errors.slice(0, 5).map(({ name, error }) => `${name} ${error.toExponential(1)}`),
    compared: errors.length,
    skipped,
    missing,
    // How far PyTorch's own gradients in float32 are from these.
    float32: header.float32,
    unmatched: header.unmatched,
  };
}

await main();
process.disconnect();
