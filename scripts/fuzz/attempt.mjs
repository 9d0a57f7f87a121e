/** The whole way of a model through the library, as `secateur plan` and `secateur cut` take it. */

import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** By magnitude, and at random where that is not to be had, as of quantised weights. */
function scoresOf(lib, groups, weights) {
  try {
    return lib.findCriterion("magnitude").score(groups, weights, 0);
  } catch (error) {
    if (!(error instanceof lib.SecateurError) || error.code !== "unsupported") throw error;
    return lib.findCriterion("random").score(groups, weights, 0);
  }
}

/**
 * Loads, normalises, traces, couples, counts, plans, cuts, and encodes, and reads back what it made.
 *
 * @param lib what secateur/graph exports
 */
function pruneModel(lib, model) {
  const graph = lib.prepare(model);
  const groups = lib.analyse(graph);
  const importances = scoresOf(lib, groups, graph.initializers);
  const removal = lib.parsePlan(lib.formatPlan(lib.selectShare(groups, importances, { ratio: 0.5, scope: "local" })));
  const small = lib.cutGraph(graph, groups, removal).graph;
  for (const one of [groups, lib.analyse(small)]) if (!(one.costs.bytes >= 0)) throw new Error("a model costs nothing");
  return lib.withGraph(model, small);
}

/** What may lie in the folders of pruneFile afterwards. */
const known = new Set(["models", "weights.data", "link", "model.onnx", "small.onnx", "small.onnx.data"]);

/** The same by way of files, in a folder of its own in which nothing else may turn up. */
async function pruneFile(lib, bytes, beside) {
  const root = mkdtempSync(join(tmpdir(), "secateur-fuzz-"));
  const folder = join(root, "models");
  const [path, written] = [join(folder, "model.onnx"), join(folder, "small.onnx")];
  const work = async () => {
    const small = pruneModel(lib, await lib.readModelFile(path));
    await lib.writeModelFile(written, small, { externalAbove: 1000 });
    return lib.encodeModel(await lib.readModelFile(written));
  };
  try {
    mkdirSync(folder);
    for (const place of [root, folder]) writeFileSync(join(place, "weights.data"), beside);
    symlinkSync(root, join(folder, "link"));
    writeFileSync(path, bytes);
    const [result] = await Promise.allSettled([work()]);
    const strange = [...readdirSync(root), ...readdirSync(folder)].filter((name) => !known.has(name));
    if (strange.length > 0) throw new Error(`it wrote ${strange.join(", ")}`);
    if (result.status === "rejected") throw result.reason;
    return result.value;
  } finally {
    rmSync(root, { recursive: true });
  }
}

/**
 * What becomes of a model.
 *
 * @param asFile whether it goes by way of files
 * @returns `ok` with the model made of it, or the code and message of the error; a failure where that is no SecateurError, or an internal one
 */
export async function attempt(lib, bytes, asFile) {
  try {
    if (asFile) return { code: "ok", encoded: await pruneFile(lib, bytes, new Uint8Array(10_000)) };
    const encoded = lib.encodeModel(pruneModel(lib, lib.loadModel(bytes)));
    lib.loadModel(encoded);
    return { code: "ok", encoded };
  } catch (error) {
    if (error instanceof lib.SecateurError && error.code !== "internal")
      return { code: error.code, message: error.message };
    return { code: "failure", message: error instanceof Error ? error.stack : String(error) };
  }
}
