/** secateur grad: the gradient graph of a model, as a model. */

import { z } from "zod";
import { count } from "../../options/kinds.ts";
import type { Loss } from "../../options/loss.ts";
import { flag, json, output, withGroup } from "../options/flag.ts";
import { lossFlag } from "../options/loss.ts";
import type { Command } from "commander";
import { internalOpset } from "../../onnx/upgrade.ts";
import { load } from "../../jobs/load-node.ts";
import { gradientGraph } from "../../objective/backward.ts";
import { openModel } from "../../jobs/opened.ts";
import { nodeRuntime } from "../../runtime/workers-node.ts";
import type { Commands, Context } from "../context.ts";
import { withExample } from "../help.ts";
import { shapesOf, withShape, type ShapeFlags } from "../options/model.ts";
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

function defineGrad(command: Command, context: Context): void {
  withGroup(withShape(command), "Learning", [
    flag("--wrt <what>", z.enum(["parameters", "gates"]).default("parameters").describe("what gradients are of")),
    flag("--batch <n>", count.default(1).describe("samples of a batch; the graph is for this number only")),
    lossFlag(),
    flag("--train", z.boolean().describe("BatchNormalization by the batch's statistics, Dropout at work")),
  ]);
  withGroup(command, "Output", [
    output("the model to write").makeOptionMandatory(),
    json("print the inputs, outputs and nodes of the graph as JSON"),
  ]);
  withExample(withForce(command), "secateur grad model.onnx --batch 8 --wrt gates -o gradients.onnx").action(
    async (path: string, flags: GradFlags) => {
      await checkOutput(flags.output, [path], flags);
      using progress = createProgress("differentiating");
      const model = await load(path);
      const opened = await openModel(model, {
        runtime: nodeRuntime,
        ...shapesOf(flags, context),
        batchSize: flags.batch,
        loss: flags.loss,
        onFixedBatch: noteFixedBatch,
      });
      const graph = gradientGraph(opened.graph, {
        batch: opened.batchSize,
        loss: opened.sized.loss,
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
    },
  );
}

export const commands: Commands = { grad: defineGrad };
