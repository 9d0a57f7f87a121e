/** What workers and those who hand work out say to each other, as plain data. */

import { z } from "zod";

/** The queue of all tasks, and what its keys on the server begin with. */
export const queueName = "tasks";
export const prefix = "secateur";

/** How often a task is tried where it fails for a reason that may pass. */
export const mostTries = 5;

const text = (most: number) => z.string().max(most);

/** What is handed out. What the task is is looked at by itself. */
export const job = z.strictObject({ task: z.unknown(), anew: z.boolean() });
export type Job = z.infer<typeof job>;

const who = { worker: text(300) };

/** What a worker answers. What came of a task lies in the store. */
export const answer = z.discriminatedUnion("state", [
  z.strictObject({ state: z.literal("done"), seconds: z.number().min(0), ...who }),
  z.strictObject({ state: z.literal("lost"), digests: z.array(text(64)).max(100_000), ...who }),
  z.strictObject({ state: z.literal("refused"), code: text(40), message: text(10_000), ...who }),
]);
export type Answer = z.infer<typeof answer>;
