/** The paper's loop, held after every removal: one step is an interval, with the session that it begins with and the cut that it ends with. */

import { EventEmitter, once } from "node:events";
import { writeFileSync } from "node:fs";
import { analyse, findCriterion, findGates, pruneLoop, absoluteBudget } from "../../dist/graphs-node.js";
import { nodeRuntime } from "../../dist/node.js";
import { loopOf, minibatches, readNet, readSamples } from "./net.mjs";

export async function open(side) {
  const { batch, macs } = side;
  const graph = await readNet(side);
  const groups = analyse(graph, { batch });
  writeFileSync(side.groups, JSON.stringify(unitsOf(groups)));
  const number = numbering(groups);
  const turns = new EventEmitter();
  const target = absoluteBudget(graph, { macs });
  const whole = target.macs / macs;
  let event;
  const first = [];
  const taylorFo = findCriterion("taylor-fo");
  const criterion = {
    ...taylorFo,
    sample(evidence) {
      const importances = taylorFo.sample(evidence);
      if (first.length < groups.groups.length) first.push(importances);
      return importances;
    },
  };
  const ended = pruneLoop(nodeRuntime, graph, held(readSamples(side), side, turns), {
    criterion,
    target,
    ...loopOf(side),
    onEvent(now) {
      if (now.kind === "removal") event = now;
    },
    async onPoint({ met }) {
      if (met) return;
      const go = once(turns, "go");
      turns.emit("ready");
      await go;
    },
  });
  const rest = () => Promise.race([once(turns, "ready"), ended]);
  await rest();
  return {
    async step() {
      event = undefined;
      const next = rest();
      turns.emit("go");
      const { end } = await next;
      if (event === undefined) throw new Error(`pruning ended without a removal: ${end}`);
      const { loss, removed, units, costs } = event;
      return { loss, removed: number(removed), units, macs: costs.macs / whole, end };
    },
    /** The importances that the first minibatch gave, by group. */
    results: () => first.map((importances, i) => [groups.groups[i].name, importances]),
  };
}

/** Minibatches of which the first waits for its turn. */
const held = (samples, side, turns) => ({
  name: "samples of the benchmark",
  async *batches() {
    const go = once(turns, "go");
    turns.emit("ready");
    await go;
    yield* minibatches(samples, side);
  },
});

/** The units of each group as a network in PyTorch has them: lists of the name of a BatchNormalization and a channel. */
function unitsOf(groups) {
  const { coupling, producers, traced } = groups;
  const gates = findGates(groups);
  return groups.groups.map(({ name, units }) => {
    const places = gates.get(name).flatMap(({ value, axis }) => {
      const node = producers.get(value);
      // What is padded with zeros is zero whatever its gate is.
      if (node.op === "Pad") return [];
      if (node.op !== "BatchNormalization") throw new Error(`${name} has a gate behind ${node.op}`);
      const first = coupling.first(value, axis);
      const size = traced.types.get(value).shape[axis];
      return [{ norm: node.inputs[1].replace(/\.weight$/, ""), first, size }];
    });
    const channelsOf = ({ atoms }) =>
      places.flatMap(({ norm, first, size }) =>
        [...atoms].filter((atom) => atom >= first && atom < first + size).map((atom) => [norm, atom - first]),
      );
    return { name, units: units.map(channelsOf) };
  });
}

/** From removals, which count what is left of each group, to numbers of units in the order of all groups at the start. */
function numbering({ groups }) {
  let next = 0;
  const left = new Map(groups.map(({ name, units }) => [name, units.map(() => next++)]));
  return (removal) =>
    [...removal]
      .flatMap(([name, units]) => {
        const own = left.get(name);
        const gone = new Set(units);
        left.set(
          name,
          own.filter((_, i) => !gone.has(i)),
        );
        return units.map((unit) => own[unit]);
      })
      .toSorted((a, b) => a - b);
}
