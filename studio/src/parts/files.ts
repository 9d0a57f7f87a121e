/** Files that are dropped or chosen, with the folders that they come in. */

import type { GivenFile } from "../worker/calls.ts";

/** Everything in what was dropped: files, and those of folders with their paths. */
export async function filesOf(transfer: DataTransfer): Promise<GivenFile[]> {
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return Array.from(transfer.files, (file) => ({ path: file.name, blob: file }));
  return (await Promise.all(entries.map(walk))).flat();
}

/** Those that an input element has. It has none then, so that the same ones can be chosen again. */
export function filesIn(input: HTMLInputElement): GivenFile[] {
  const files = Array.from(input.files ?? [], (file) => ({ path: file.webkitRelativePath || file.name, blob: file }));
  input.value = "";
  return files;
}

async function walk(entry: FileSystemEntry): Promise<GivenFile[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path: entry.fullPath.replace(/^\//, ""), blob: file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: GivenFile[] = [];
  // A reader gives some entries at a time, and none at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    for (const one of some) found.push(...(await walk(one)));
  }
}

/** Hands a file to whoever looks at the page, to be saved. */
export function save(name: string, content: BlobPart, type = "application/octet-stream"): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser takes the content while the click is handled; some look at it a moment later.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
