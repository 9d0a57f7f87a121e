/** What the library says of its options, in flags. */

import { shardName } from "../distribute/shards.ts";
import type { Shard } from "../options/distribute.ts";
import type { Loss } from "../options/loss.ts";
import { textsOfLoss } from "../options/loss-text.ts";
import { flagOf } from "../report/figures.ts";

/** Options whose flags have other names. */
const others: Readonly<Record<string, string>> = {
  limit: "batches",
  minRate: "minLearningRate",
  "optimiser.kind": "optimiser",
  ratios: "ratio",
  "schedule.kind": "schedule",
  shapes: "shape",
};

/** How flags that take several values at once write them; all others are given once for each. */
const lists: Readonly<Record<string, (values: readonly unknown[]) => string>> = {
  "--classes": (names) => names.map(quoted).join(","),
  "--mean": (numbers) => numbers.join(","),
  "--size": (sides) => [...new Set(sides)].join("x"),
  "--std": (numbers) => numbers.join(","),
};
const quoted = (name: unknown): string => (/^[\w.-]+$/.test(String(name)) ? String(name) : JSON.stringify(name));

const named = /`([a-z][\w.]*)(?:: ([^`]+))?`/gi;

/**
 * Errors and notes with flags for the options that they name (graph/error.ts): "lower `batchSize`" ->
 * "lower --batch-size", "`loss: "mse"`" -> "--loss mse", "`prove: false`" -> "--no-prove".
 */
export function inFlags(message: string): string {
  return message.replaceAll(named, (_, path: string, value: string | undefined) => flagFor(path, value));
}

function flagFor(path: string, value: string | undefined): string {
  const last = path.slice(path.lastIndexOf(".") + 1);
  const flag = flagOf(others[path] ?? others[last] ?? last);
  return value === undefined ? flag : withValue(flag, valueOf(value));
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function withValue(flag: string, value: unknown): string {
  if (typeof value === "boolean") return value ? flag : flag.replace("--", "--no-");
  if (flag === "--loss" && typeof value === "object" && value !== null)
    return textsOfLoss(value as Loss)
      .map((text) => `${flag} ${text}`)
      .join(" ");
  if (flag === "--shard") return `${flag} ${shardName(value as Shard)}`;
  if (Array.isArray(value) && flag in lists) return `${flag} ${lists[flag]!(value)}`;
  if (Array.isArray(value)) return value.map((one) => withValue(flag, one)).join(" ");
  if (typeof value !== "object" || value === null) return `${flag} ${String(value)}`;
  return Object.entries(value)
    .map(([name, sizes]) => `${flag} ${name}=${(sizes as readonly unknown[]).join("x")}`)
    .join(" ");
}
