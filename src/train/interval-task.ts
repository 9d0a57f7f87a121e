/** What one of several machines does in an interval: it learns from its slice, and tells what it has. */

import { ownerOf } from "./packed-parameters.ts";
import { reservedMemory } from "../execute/memory.ts";
import type { Runtime } from "../runtime/port.ts";
import type { IntervalAnswer, IntervalTask, OwnOptions } from "./spread.ts";
import { openTeacher } from "./teacher.ts";
import type { StepResult } from "./lesson.ts";
import { openTrainer } from "./trainer.ts";

/**
 * Learns from a slice of minibatches.
 *
 * @param own what of a step is the machine's own
 * @param onStep is told how many of its minibatches are done
 * @throws SecateurError as {@link openTrainer} and its steps
 */
export async function runInterval(
  runtime: Runtime,
  task: IntervalTask,
  own: OwnOptions,
  onStep?: (done: number, all: number) => void,
): Promise<IntervalAnswer> {
  const { graph, optimiserState, teacher: taught, step, lessons, updates } = task;
  const { batch: batchSize, loss, mixup } = step;
  const reserved =
    (own.reserved ?? 0) + (own.memory !== undefined && taught ? reservedMemory(taught.graph, batchSize) : 0);
  const learning = { ...step, ...own, reserved, distillation: taught };
  await using teacher = await openTeacher(runtime, { teacher: taught, loss, mixup, batchSize, ...own });
  await using trainer = await openTrainer(runtime, graph, learning, optimiserState);
  const steps: StepResult[] = [];
  let samples = 0;
  for (const [i, { batch, rate, number }] of lessons.entries()) {
    own.signal?.throwIfAborted();
    steps.push(await trainer.step(batch, rate, number, teacher, updates + i));
    samples += batch.size;
    onStep?.(i + 1, lessons.length);
  }
  const state = await trainer.state(true);
  const kept = new Map([...state.optimiserState].filter(([name]) => graph.initializers.has(ownerOf(name))));
  const learned = [...state.graph.initializers].filter(([name, value]) => graph.initializers.get(name) !== value);
  return { weights: new Map(learned), optimiserState: kept, steps, samples };
}
