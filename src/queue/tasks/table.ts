/** The kinds of tasks that there are. What is not here is not done, whoever asks for it. */

import type { TaskKind, TaskKinds } from "../../distribute/task.ts";
import { intervalTask } from "./interval.ts";
import { pruneRunTask } from "./prune-run.ts";
import { scorePartTask } from "./score-part.ts";

const all: readonly TaskKind[] = [scorePartTask, intervalTask, pruneRunTask];

export const taskKinds: TaskKinds = new Map(all.map((kind) => [kind.name, kind]));
