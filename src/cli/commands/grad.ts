/** secateur grad: the gradient graph of a model, as a model. */

import { type Command, Option } from "commander";
import { internalOpset } from "../../onnx/upgrade.ts";
import { load } from "../../jobs/load-node.ts";
import { gradientGraph } from "../../train/gradients.ts";
import { losses, type Loss } from "../../train/losses.ts";
import { openModel } from "../../jobs/opened.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import { withExample } from "../help.ts";
import { shapesOf, withShape, type ShapeFlags } from "../options/model.ts";
import { count } from "../options/values.ts";
import { note, noteFixedBatch, printJson } from "../output.ts";
import { checkOutput, withForce, type ForceFlags } from "../output-file.ts";
import { createProgress } from "../progress.ts";
import { writeModel } from "../write.ts";

interface GradFlags extends ShapeFlags, ForceFlags {
  readonly output: string;
  readonly loss: Loss;
  readonly wrt: "parameters" | "gates";
  readonly batch: number;
  readonly train?: boolean;
  readonly json?: boolean;
}

export function addGrad(program: Command): void {
  withExample(
    withForce(withShape(program.command("grad <model>"))),
    "secateur grad model.onnx --batch 8 --wrt gates -o gradients.onnx",
  )
    .description(
      `write the graph of the loss and its gradients, in opset ${internalOpset} whatever the model's: inputs of the model and target; outputs loss and grad/NAME`,
    )
    .requiredOption("-o, --output <file>", "the model to write")
    .addOption(new Option("--loss <loss>", "what is differentiated").choices(losses).default("cross-entropy"))
    .addOption(
      new Option("--wrt <what>", "gradients of parameters, or of the gates of every group, [N, units] for each sample")
        .choices(["parameters", "gates"])
        .default("parameters"),
    )
    .option("--batch <n>", "samples of a batch, which the graph fixes", count, 1)
    .option("--train", "BatchNormalization by the batch's statistics, Dropout at work")
    .option("--json", "print the inputs, outputs and nodes of the graph as JSON")
    .action(async (path: string, flags: GradFlags) => {
      await checkOutput(flags.output, [path], flags);
      using progress = createProgress("differentiating");
      const model = await load(path);
      const opened = await openModel(nodeRuntime, model, {
        ...shapesOf(flags),
        batchSize: flags.batch,
        onFixedBatch: noteFixedBatch,
      });
      const graph = gradientGraph(opened.graph, {
        batch: opened.batchSize,
        loss: flags.loss,
        wrt: flags.wrt,
        train: flags.train ?? false,
      });
      const { aside: _, ...bare } = model;
      await writeModel(flags.output, { ...bare, graph }, { opset: internalOpset });
      progress.done();
      if (flags.json)
        printJson({
          inputs: graph.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
          outputs: graph.outputs.map(({ name }) => name),
          nodes: graph.nodes.length,
          output: flags.output,
        });
      note(`${graph.outputs.length - 1} gradients, ${graph.nodes.length} nodes -> ${flags.output}`);
    });
}
