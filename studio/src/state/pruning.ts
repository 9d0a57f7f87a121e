/** What is to be removed: importances, the choice of the sliders, and what comes of it. */

import { effect, signal } from "@preact/signals";
import { call } from "../client.ts";
import type { Choice, CutView, DataView, GivenFile, LatencyView, Preview, ScoresView } from "../worker/calls.ts";
import { network, whenOpened } from "./network.ts";
import { during, failure } from "./work.ts";

const start: Choice = { kind: "macs", share: 1, roundTo: 1, normalise: "none", per: "macs", own: {} };

export const criterion = signal("taylor-fo");
export const device = signal<"cpu" | "webgpu">("cpu");
export const data = signal<DataView | undefined>(undefined);
export const scores = signal<ScoresView | undefined>(undefined);
export const choice = signal<Choice>(start);
export const preview = signal<Preview | undefined>(undefined);
export const result = signal<CutView | undefined>(undefined);
export const latency = signal<LatencyView | undefined>(undefined);

const [past, future] = [signal<readonly Choice[]>([]), signal<readonly Choice[]>([])];
export const history = { past, future };
/** Choices that are gone further back are forgotten. */
const mostUndone = 200;

whenOpened(() => {
  choice.value = start;
  past.value = future.value = [];
  scores.value = data.value = result.value = latency.value = undefined;
});

/** Changes some of the choice. What is dragged is one step back for all of its moves. */
export function choose(change: Partial<Choice>, isDragged = false): void {
  const before = choice.value;
  const sameDrag = isDragged && dragging;
  dragging = isDragged;
  if (!sameDrag) past.value = [...past.value.slice(-mostUndone), before];
  future.value = [];
  choice.value = { ...before, ...change };
  result.value = latency.value = undefined;
}
let dragging = false;
/** A drag is over: the next one is a step of its own. */
export const dropped = (): void => void (dragging = false);

export function undo(): void {
  const before = past.value.at(-1);
  if (before === undefined) return;
  past.value = past.value.slice(0, -1);
  future.value = [...future.value, choice.value];
  settle(before);
}

export function redo(): void {
  const next = future.value.at(-1);
  if (next === undefined) return;
  future.value = future.value.slice(0, -1);
  past.value = [...past.value, choice.value];
  settle(next);
}

function settle(to: Choice): void {
  choice.value = to;
  dragging = false;
  result.value = latency.value = undefined;
}

/** Only one question is under way; the last choice made meanwhile is asked next. */
let asked: { choice: Choice } | undefined;
let asking = false;

effect(() => {
  const isOpen = network.value !== undefined;
  // Other importances are another answer.
  void scores.value;
  const wanted = choice.value;
  if (!isOpen) return;
  asked = { choice: wanted };
  if (!asking) void answerAll();
});

async function answerAll(): Promise<void> {
  asking = true;
  while (asked) {
    const question = asked;
    asked = undefined;
    const started = performance.now();
    try {
      preview.value = await call("preview", question);
      performance.measure("secateur: figures", { start: started });
    } catch (error) {
      preview.value = undefined;
      failure.value = (error as Error).message;
    }
  }
  asking = false;
  // All units are ranked while nobody waits, so that the first move of the slider is answered at once.
  const { share, ...rest } = choice.peek();
  if (share === 1 && preview.peek()) void call("preview", { choice: { ...rest, share: 0.5 } });
}

/** The files of the data, to show some of them. */
export const dataFiles = signal<readonly GivenFile[]>([]);

export const openData = (files: readonly GivenFile[]): Promise<void> =>
  during("reading the data", async (options) => {
    data.value = await call("data", { files }, options);
    dataFiles.value = files;
  });

export const score = (by = criterion.value): Promise<void> =>
  during(`measuring importance by ${by}`, async (options) => {
    const request = { criterion: by, batchSize: 32, batches: 10, device: device.value };
    scores.value = await call("score", request, options);
    result.value = latency.value = undefined;
  });

export const cut = (): Promise<void> =>
  during("cutting, and proving that the rest is unchanged", async (options) => {
    result.value = await call("cut", { choice: choice.value, prove: true }, options);
  });

export const time = (): Promise<void> =>
  during("timing both models in turns", async (options) => {
    latency.value = await call("latency", { rounds: 20 }, options);
  });
