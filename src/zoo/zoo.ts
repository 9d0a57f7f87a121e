/** The networks that Secateur can make from nothing: untrained, ready to be trained and pruned. */

import { fail } from "../graph/error.ts";
import type { Graph, Model } from "../graph/graph.ts";
import { wrapGraph } from "../onnx/wrap.ts";
import type { NetOptions } from "./layers.ts";
import { buildLeNet3, buildLeNet5 } from "./lenet.ts";
import { buildResNet20, buildResNet56 } from "./resnet.ts";
import { buildVgg11 } from "./vgg.ts";

export type ZooName = "lenet3" | "lenet5" | "resnet20" | "resnet56" | "vgg11";

export interface ZooEntry {
  /** One line for a list of networks. */
  readonly description: string;
  /** The shape [C, H, W] of an image where none is asked for. */
  readonly input: readonly [number, number, number];
  /** The least height and width. */
  readonly smallest: number;
  readonly build: (options: NetOptions) => Graph;
}

export interface NewModelOptions {
  /** Outputs of the network; at least 1. */
  readonly classes: number;
  /** The shape [C, H, W] of an image; the default is that of the network's {@link ZooEntry}. */
  readonly input?: readonly number[];
  /** A safe integer. The same seed gives the same weights. */
  readonly seed: number;
}

/** Every network by name. */
export const zoo: Readonly<Record<ZooName, ZooEntry>> = {
  lenet3: {
    description: "LeNet for 3x32x32: convolutions of 16 and 32 channels, then 120 and 84 neurons",
    input: [3, 32, 32],
    smallest: 16,
    build: buildLeNet3,
  },
  lenet5: {
    description: "LeNet-5 for 1x28x28: convolutions of 6 and 16 channels, then 120 and 84 neurons",
    input: [1, 28, 28],
    smallest: 12,
    build: buildLeNet5,
  },
  resnet20: {
    description: "ResNet of 20 layers for 3x32x32, with batch normalisation and shortcuts without weights",
    input: [3, 32, 32],
    smallest: 4,
    build: buildResNet20,
  },
  resnet56: {
    description: "ResNet of 56 layers for 3x32x32, with batch normalisation and shortcuts without weights",
    input: [3, 32, 32],
    smallest: 4,
    build: buildResNet56,
  },
  vgg11: {
    description: "VGG of 8 convolutions for 3x32x32, with batch normalisation and one fully connected layer",
    input: [3, 32, 32],
    smallest: 32,
    build: buildVgg11,
  },
};

export const zooNames = Object.keys(zoo) as readonly ZooName[];

/** Whether a word names a network of the zoo. */
function isZooName(name: string): name is ZooName {
  return Object.hasOwn(zoo, name);
}

/**
 * An untrained network. It takes `input` [batch, C, H, W] and puts out `logits` [batch,
 * classes], both float32, for any batch.
 *
 * @throws SecateurError `bad-option` for a name that is none, an input that is too
 * small, and numbers that make no sense
 */
export function newModel(name: ZooName, options: NewModelOptions): Model {
  if (!isZooName(name))
    fail("bad-option", `there is no network "${String(name)}"; choose one of ${zooNames.join(", ")}`);
  const entry = zoo[name];
  const input = options.input ?? entry.input;
  const wrong = problemsOf(name, entry, { ...options, input });
  if (wrong.length > 0) fail("bad-option", wrong.join("; "));
  const { classes, seed } = options;
  return wrapGraph(entry.build({ classes, input: input as NetOptions["input"], seed }));
}

function problemsOf(
  name: ZooName,
  { smallest }: ZooEntry,
  { classes, input, seed }: Required<NewModelOptions>,
): string[] {
  const isCount = (n: number): boolean => Number.isSafeInteger(n) && n > 0;
  const problems: string[] = [];
  if (!isCount(classes)) problems.push(`the number of classes of ${name} is ${classes}; give a whole number from 1 on`);
  if (!Number.isSafeInteger(seed)) problems.push(`the seed of ${name} is ${seed}; give a whole number`);
  if (input.length !== 3 || !input.every(isCount))
    problems.push(
      `the input of ${name} is [${input.join(", ")}]; give channels, height and width as whole numbers from 1 on`,
    );
  else if (input[1]! < smallest || input[2]! < smallest)
    problems.push(
      `the input of ${name} is [${input.join(", ")}], which is too small; ` +
        `give a height and width of at least ${smallest}`,
    );
  return problems;
}
