/**
 * What more machines are worth, by simulation: minibatches are drawn and uploaded by one machine, handed out in jobs,
 * fetched, measured, and answered. `node experiments/distribute-simulation.mjs [--minibatch 0.87] [--open 0.77] ...`.
 *
 * The costs that are the defaults were measured for ResNet-56 with taylor-fo on one core (2026-11-29): seconds of
 * processors of `score` with 1 and 3 minibatches of 128 images of CIFAR-10. The network is two numbers: the time until
 * an answer comes, and bytes a second of the link of the store, which all share.
 */

import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    /** Seconds of a minibatch, and until a worker has opened the network. */
    minibatch: { type: "string", default: "0.87" },
    open: { type: "string", default: "0.77" },
    minibatches: { type: "string", default: "320" },
    jobs: { type: "string", default: "160" },
    /** Bytes of the network, and of a minibatch. */
    model: { type: "string", default: "3.4e6" },
    batch: { type: "string", default: "1.57e6" },
    /** Seconds to draw a minibatch. */
    draw: { type: "string", default: "0.01" },
    /** How often a job asks the server or the store and waits. */
    asks: { type: "string", default: "12" },
  },
});
const given = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Number(value)]));

/** Links: seconds until an answer comes, bytes a second. */
const links = {
  "10 Gbit/s, 0.2 ms": [0.0002, 1.25e9],
  "1 Gbit/s, 0.5 ms": [0.0005, 1.25e8],
  "100 Mbit/s, 30 ms": [0.03, 1.25e7],
};

/** Seconds until all is measured by so many workers. */
function simulate(workers, [latency, bandwidth], { minibatch, open, minibatches, jobs, model, batch, draw, asks }) {
  // Each way of the link of the store moves one thing at a time. What is asked for later comes later.
  const free = { up: 0, down: 0 };
  const transfer = (way, from, bytes) => (free[way] = Math.max(free[way], from + latency) + bytes / bandwidth);
  const uploaded = [];
  let drawn = transfer("up", 0, model);
  const sizeOf = (job) => Math.floor(((job + 1) * minibatches) / jobs) - Math.floor((job * minibatches) / jobs);
  const idle = Array(workers).fill(0);
  const isOpen = Array(workers).fill(false);
  let end = 0;
  for (let job = 0; job < jobs; job++) {
    for (let i = 0; i < sizeOf(job); i++) drawn = transfer("up", drawn + draw, batch);
    uploaded[job] = drawn;
    const who = idle.indexOf(Math.min(...idle));
    let at = Math.max(idle[who], uploaded[job]) + asks * latency;
    // All that a job needs is fetched before it is begun.
    const opens = !isOpen[who];
    isOpen[who] = true;
    at = transfer("down", at, (opens ? model : 0) + sizeOf(job) * batch);
    at += (opens ? open : 0) + sizeOf(job) * minibatch;
    idle[who] = at;
    end = Math.max(end, at);
  }
  return end + jobs * latency;
}

const alone = given.open + given.minibatches * (given.minibatch + given.draw);
const counts = [1, 2, 4, 8, 16, 32, 64];
const cases = {
  "taylor-fo": given,
  "the oracle, 100 times the work": { ...given, minibatch: 100 * given.minibatch },
};
for (const [name, costs] of Object.entries(cases)) {
  const whole = name === "taylor-fo" ? alone : costs.open + costs.minibatches * (costs.minibatch + costs.draw);
  console.log(`\n${name}: times as fast as one machine without a queue\n`);
  console.log(`| link of the store | ${counts.join(" | ")} |`);
  console.log(`| --- | ${counts.map(() => "---").join(" | ")} |`);
  for (const [link, speeds] of Object.entries(links))
    console.log(
      `| ${link} | ${counts.map((count) => (whole / simulate(count, speeds, costs)).toFixed(1)).join(" | ")} |`,
    );
}
