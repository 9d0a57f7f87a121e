/** secateur data and new: real data sets, and models to train on them. */

import { count, shape } from "../../options/kinds.ts";
import { seed } from "../../options/machine.ts";
import { flag, json, output, withGroup } from "../options/flag.ts";
import type { Command } from "commander";
import { fetchCifar10, fetchMnist } from "../../data/fetch-node.ts";
import type { Shape } from "../../graph/tensor.ts";
import { newModel, zoo, zooNames, type ZooName } from "../../zoo/zoo.ts";
import type { Commands } from "../context.ts";
import { describeArgument, withExample } from "../help.ts";
import { withOpset, type OpsetFlags } from "../options/model.ts";
import { sizesOf } from "../options/values.ts";
import { analyse } from "../../prune/coupling/analysis.ts";
import { note, printJson } from "../output.ts";
import { writeModel } from "../write.ts";

function defineData(command: Command): void {
  withExample(command, "secateur data mnist data/mnist");
  for (const [name, description, fetch] of [
    ["cifar10", "CIFAR-10, 60,000 images, in its binary form", fetchCifar10],
    ["mnist", "10,000 digits of MNIST in its idx form: 8,000 to train on and 2,000 to test on", fetchMnist],
  ] as const)
    withExample(
      withGroup(command.command(`${name} <dir>`), "Output", [json("print the folder and its files as JSON")]),
      `secateur data ${name} data/${name}`,
    )
      .description(description)
      .action(async (dir: string, { json }: { json?: boolean }) => {
        const result = await fetch(dir, note);
        if (json) printJson(result);
      });
}

interface NewFlags extends OpsetFlags {
  readonly classes: number;
  readonly input?: Shape;
  readonly seed: number;
  readonly output: string;
  readonly json?: boolean;
}

function defineNew(command: Command): void {
  const described = Object.entries(zoo).map(([name, { description }]) => `${name}: ${description}`);
  describeArgument(command, 0, described.join("; "), zooNames);
  withGroup(command, "Model", [
    flag("--classes <n>", count.default(10).describe("outputs of the model")),
    flag("--input <shape>", shape.describe("shape of an image, as 3x32x32"), sizesOf),
    flag("--seed <n>", seed.describe("seed of the weights")),
  ]);
  withGroup(command, "Output", [
    output("the model to write").makeOptionMandatory(),
    json("print what the model costs as JSON"),
  ]);
  withExample(withOpset(command), "secateur new resnet20 --classes 10 --seed 1 -o model.onnx").action(
    async (name: string, flags: NewFlags) => {
      const model = newModel(name as ZooName, {
        classes: flags.classes,
        seed: flags.seed,
        ...(flags.input ? { input: flags.input } : {}),
      });
      await writeModel(flags.output, model, flags);
      if (flags.json) printJson({ name, ...analyse(model.graph).costs, output: flags.output });
      note(`-> ${flags.output}`);
    },
  );
}

export const commands: Commands = { new: defineNew, data: defineData };
