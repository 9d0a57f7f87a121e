/** Runs of the command line in this process, and data small enough for them. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { run } from "../../src/cli/program.ts";
import { formatIdx } from "../../src/data/idx.ts";
import { random } from "../support/graphs.ts";

// What a test reads is the text, wherever the tests run.
process.env["NO_COLOR"] = "1";

/** What a run wrote, and its exit code. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line; `onError` sees what comes on stderr while it runs. */
export async function secateur(
  argv: readonly string[],
  signal?: AbortSignal,
  onError?: (text: string) => void,
): Promise<Ran> {
  const written = { out: "", err: "" };
  const capture = (key: "out" | "err") => (text: string | Uint8Array) => {
    written[key] += String(text);
    if (key === "err") onError?.(String(text));
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(capture("out")),
    vi.spyOn(process.stderr, "write").mockImplementation(capture("err")),
  ];
  try {
    return { code: await run(argv, signal), ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = undefined;
  }
}

/** A folder of files for one test file. */
export interface Workshop {
  readonly folder: string;
  /** The path of a file in the folder. */
  at(name: string): string;
  /** Writes a file and returns its path. */
  write(name: string, content: string | Uint8Array): string;
  remove(): void;
}

export function openWorkshop(): Workshop {
  const folder = mkdtempSync(join(tmpdir(), "secateur-cli-"));
  const at = (name: string): string => join(folder, name);
  return {
    folder,
    at,
    write(name, content) {
      writeFileSync(at(name), content);
      return at(name);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** How digits are given to a command. */
export const digitsIn = (folder: string): string[] => [
  "--data",
  `mnist:${folder}`,
  "--threads",
  "1",
  "--batch-size",
  "32",
];

/** Writes digits, and the files `before` and `after` of a net that has learned them. */
export async function trainDigits(workshop: Workshop, before: string, after: string): Promise<void> {
  const { folder, at } = workshop;
  writeDigits(workshop);
  await secateur(["new", "lenet5", "--seed", "1", "-o", at(before)]);
  const training = "--seed 3 --epochs 6 --learning-rate 0.05".split(" ");
  const { code, err } = await secateur(["train", at(before), ...digitsIn(folder), ...training, "-o", at(after)]);
  if (code !== 0) throw new Error(err);
}

/** Digits that a net can learn: a bright row whose height is the class. */
export function writeDigits({ write }: Workshop): void {
  const next = random(5);
  for (const [part, n] of [
    ["train", 320],
    ["t10k", 100],
  ] as const) {
    const labels = Uint8Array.from({ length: n }, (_, i) => i % 10);
    const images = new Uint8Array(n * 784);
    labels.forEach((label, i) => {
      for (let p = 0; p < 784; p++)
        images[i * 784 + p] = Math.floor(next() * 60) + (Math.floor(p / 28 / 2.8) === label ? 190 : 0);
    });
    write(`${part}-images-idx3-ubyte`, formatIdx({ shape: [n, 28, 28], data: images }));
    write(`${part}-labels-idx1-ubyte`, formatIdx({ shape: [n], data: labels }));
  }
}

/** A module of four batches of eight images, all alike; texts are JavaScript. */
export function moduleText({
  shape = "[8, 1, 28, 28]",
  pixel = "0.5",
  target = "[0, 1, 2, 3, 4, 5, 6, 7]",
} = {}): string {
  return `const shape = ${shape};
export default async function* () {
  const data = new Float32Array(shape.reduce((a, b) => a * b)).fill(${pixel});
  for (let i = 0; i < 4; i++) yield { inputs: { dtype: "float32", shape, data }, target: ${target} };
}
`;
}
