/** Files that are there as a whole or not at all. */

import { randomBytes } from "node:crypto";
import { access, constants, open, realpath, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, sep } from "node:path";
import { fail, SecateurError } from "../graph/error.ts";

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  ENOTDIR: "a part of the path is not a folder",
  EISDIR: "it is a folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left on the disk",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file is too large for the file system",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "too many symbolic links",
  EMFILE: "too many open files",
};

/** Why a call to the file system failed, in a few words. */
export function describeIo(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return (typeof code === "string" && (reasons[code] ?? code)) || String(error);
}

/** Whether a path is in a folder or below it, links followed in both. */
export function liesIn(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  return inside !== "" && inside !== ".." && !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
}

async function writeAll(file: FileHandle, chunks: Iterable<Uint8Array>): Promise<void> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      // Linux moves at most 2 GiB at a time.
      const { bytesWritten } = await file.write(chunk, at, Math.min(chunk.length - at, 2 ** 30));
      at += bytesWritten;
    }
  }
}

/**
 * The file that is to be replaced: behind links, so that a link stays one. Those that lead out of the folder are
 * refused, since nobody named what lies there.
 */
async function findTarget(path: string): Promise<string> {
  const known = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    return fail("io", `cannot write ${path}: ${describeIo(error)}`, error);
  });
  if (!known) return path;
  if (known.isDirectory()) fail("io", `cannot write ${path}: it is a folder; name a file`);
  if (!known.isFile()) fail("io", `cannot write ${path}: it is not a regular file; name another`);
  const [folder, target] = await Promise.all([realpath(dirname(path)), realpath(path)]);
  if (!liesIn(folder, target))
    fail(
      "io",
      `cannot write ${path}: it is a link to ${target}, outside its folder; name that file or remove the link`,
    );
  return target;
}

/**
 * Fails where {@link writeFileAtomic} would because of the path, so that hours of work do not end in that.
 *
 * @throws SecateurError `io` naming the file and the reason.
 */
export async function checkWritable(path: string): Promise<void> {
  const folder = dirname(await findTarget(path));
  try {
    await access(folder, constants.W_OK);
  } catch (error) {
    refuse(path, error);
  }
}

function refuse(path: string, error: unknown): never {
  // What was to be written could not be made.
  if (error instanceof SecateurError) throw error;
  const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
  fail("io", `cannot write ${path}: ${missing ? `there is no folder ${dirname(path)}` : describeIo(error)}`, error);
}

export interface AtomicOptions {
  /** A link at the path is replaced by the file and not followed: for names that nobody gave. */
  readonly replaceLink?: boolean;
}

/**
 * Writes a file so that nobody sees a part of it: into a temporary file in the same folder, flushed
 * to the disk and renamed. What was there before stays when it fails, and the temporary file goes. A
 * link is followed within its folder only.
 *
 * @throws SecateurError `io` naming the file and the reason.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array>,
  { replaceLink = false }: AtomicOptions = {},
): Promise<void> {
  const chunks =
    typeof content === "string"
      ? [new TextEncoder().encode(content)]
      : content instanceof Uint8Array
        ? [content]
        : content;
  const target = replaceLink ? path : await findTarget(path);
  const temporary = join(dirname(target), `.${basename(target).slice(0, 100)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = await open(temporary, "wx");
    try {
      await writeAll(file, chunks);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    refuse(path, error);
  }
}
