/** A side of a benchmark in a process of its own, asked and answering by lines of JSON. */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * Starts a side and waits for its first answer, the versions that are at work.
 *
 * @param {string} command
 * @param {string[]} argv
 */
export async function openChild(command, argv) {
  const child = spawn(command, argv, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const next = await Promise.race([lines.next(), ended.then(() => ({ done: true }))]);
    if (next.done) throw new Error(`${command} ${argv.join(" ")} ended without an answer`);
    return JSON.parse(next.value);
  };
  return {
    versions: await answer(),
    ask(todo, options = {}) {
      child.stdin.write(`${JSON.stringify({ do: todo, ...options })}\n`);
      return answer();
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
