/** The kinds of tasks that there are. What is not here is not done, whoever asks for it. */

import type { TaskKind, TaskKinds } from "../../distribute/task.ts";
<<<<<<< HEAD
import { intervalTask } from "./interval.ts";
import { scorePartTask } from "./score-part.ts";

const all: readonly TaskKind[] = [scorePartTask, intervalTask];
=======
import { pruneRunTask } from "./prune-run.ts";
import { scorePartTask } from "./score-part.ts";

const all: readonly TaskKind[] = [scorePartTask, pruneRunTask];
>>>>>>> 64842f7 (Workers of a queue do the runs of a sweep)

export const taskKinds: TaskKinds = new Map(all.map((kind) => [kind.name, kind]));
