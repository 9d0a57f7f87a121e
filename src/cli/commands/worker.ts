/** secateur worker: a machine that does what others hand out. */

import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { threads } from "../../options/machine.ts";
import { working } from "../../options/queue.ts";
import { openHands } from "../../queue/hands-node.ts";
import { serve, workerName, type ServeEvent } from "../../queue/serve-node.ts";
import type { Commands, Context } from "../context.ts";
import { withExample } from "../help.ts";
import { flag, withGroup } from "../options/flag.ts";
import { openNamedStore, openQueue, withQueue, type QueueFlags } from "../options/queue.ts";
import { note } from "../output.ts";

interface WorkerFlags extends QueueFlags {
  readonly atOnce: number;
  readonly threads?: number;
  readonly lock: number;
  readonly patience: number;
}

const howTo = `
Start it on each machine; then, on any of them:
  secateur score model.onnx --data cifar10:data --queue redis://host:6379 --store /shared

The first Ctrl-C finishes the jobs in hand, a second one, or SIGTERM, hands them back.
A password: redis://:PASSWORD@host:6379, or the whole address in SECATEUR_QUEUE. TLS: rediss://.
PostgreSQL: postgres://user:PASSWORD@host/database, with ?sslmode=verify-full for TLS.`;

function defineWorker(command: Command, context: Context): void {
  withGroup(
    withQueue(command),
    "Machine",
    [
      flag("--at-once <n>", working.atOnce),
      flag("--threads <n>", threads.describe("threads of the runtime for each job (default: the cores, shared out)")),
    ],
    [flag("--lock <seconds>", working.lock), flag("--patience <seconds>", working.patience)],
  );
  withExample(command, "secateur worker --queue redis://host:6379 --store /shared")
    .addHelpText("after", howTo)
    .action(async (flags: WorkerFlags) => {
      const { atOnce, lock, patience, threads = Math.max(1, Math.floor(availableParallelism() / atOnce)) } = flags;
      const store = await openNamedStore(flags);
      const leave = new AbortController();
      const again = (): void => leave.abort();
      // Before the listener by which every command ends.
      process.prependOnceListener("SIGTERM", again);
      context.signal.addEventListener("abort", () => {
        process.once("SIGINT", again);
        if (!leave.signal.aborted) note("no more jobs: those in hand are finished; Ctrl-C again hands them back");
      });
      await using connection = await openQueue({ ...flags, queue: flags.queue ?? true });
      await using hands = openHands(store, { atOnce, threads: Math.min(256, threads), patience });
      note(`${workerName()} works for ${connection.address}: ${atOnce} at once, ${threads} threads each`);
      await serve(connection, hands, { lock, onEvent: teller(), finish: context.signal, leave: leave.signal });
      const { blobs, bytes } = store.fetched;
      note(`${workerName()} ended; it fetched ${blobs} blobs of ${(bytes / 1e6).toFixed(1)} MB`);
    });
}

/** Says what happens, in a line each. */
function teller(): (event: ServeEvent) => void {
  const started = performance.now();
  let done = 0;
  return (event) => {
    switch (event.kind) {
      case "taken":
        note(`${event.label} taken${event.attempt > 1 ? `, attempt ${event.attempt}` : ""}`);
        return;
      case "progress":
        return;
      case "done": {
        done++;
        const rate = (60_000 * done) / (performance.now() - started);
        note(`${event.label} done in ${event.seconds.toFixed(1)} s; ${done} done, ${rate.toFixed(1)} a minute`);
        return;
      }
      case "checkpoint":
        note(`${event.label} ${event.text}`);
        return;
      case "lacking":
        note(`${event.label}: ${event.blobs} of its blobs are not in the store, or damaged; they are asked for`);
        return;
      case "lost":
        note(`a job was lost by its worker and is handed out again: ${event.id.slice(0, 12)}`);
        return;
      default:
        note(`${event.label} ${event.kind}: ${event.why}`);
    }
  };
}

export const commands: Commands = { worker: defineWorker };
