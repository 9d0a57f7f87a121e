/** Blobs on the disk of this machine, in front of a store that is further away: what is here is not fetched again. */

import { readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { folderPlace } from "./folder-store-node.ts";
import { LostBlobs, openStore, type Store } from "./store.ts";

/** A store whose blobs are fetched once. */
export interface CachedStore extends Store {
  /** The folder that blobs are in once they are fetched. */
  readonly folder: string;
  /**
   * Fetches blobs that are not here yet, a few at a time.
   *
   * @returns what lets go of them: until then they stay on the disk, however full it is
   * @throws LostBlobs naming all that are not to be had
   */
  fetch(digests: readonly string[]): Promise<() => void>;
  /** How many blobs and bytes were fetched. */
  readonly fetched: { readonly blobs: number; readonly bytes: number };
}

/** So many blobs are on their way at once. */
const mostAtOnce = 8;
/** What is left of a full folder once it was cleared, as a share. */
const kept = 0.8;

/**
 * @param folder of this machine
 * @param limit bytes; beyond it the blobs go that nobody has asked for longest
 */
export function cachedStore(store: Store, folder: string, limit: number): CachedStore {
  const local = openStore(folderPlace(folder));
  const [onTheirWay, held, fetched] = [
    new Map<string, Promise<Uint8Array>>(),
    new Map<string, number>(),
    { blobs: 0, bytes: 0 },
  ];
  let filled: number | undefined;

  const download = async (digest: string): Promise<Uint8Array> => {
    const bytes = await store.get(digest);
    fetched.blobs++;
    fetched.bytes += bytes.length;
    // What is here under that name was no good, or was not here.
    await local.put(bytes, { anew: true });
    // Whoever looks at the folder finds these bytes there already.
    filled = filled === undefined ? await filledBy(folder) : filled + bytes.length;
    if (filled > limit) filled = await clear(folder, limit * kept, held);
    return bytes;
  };
  const get = async (digest: string): Promise<Uint8Array> => {
    try {
      const bytes = await local.get(digest);
      const now = new Date();
      await utimes(join(folder, "blobs", digest.slice(0, 2), digest), now, now).catch(() => undefined);
      return bytes;
    } catch (error) {
      if (!(error instanceof LostBlobs)) throw error;
    }
    const asked = onTheirWay.get(digest) ?? download(digest).finally(() => onTheirWay.delete(digest));
    onTheirWay.set(digest, asked);
    return asked;
  };
  return {
    ...store,
    folder,
    fetched,
    get,
    async remove(digest) {
      const here = await local.size(digest);
      await Promise.all([store.remove(digest), local.remove(digest)]);
      if (filled !== undefined && here !== undefined) filled -= here;
    },
    async fetch(digests) {
      const all = [...new Set(digests)];
      for (const digest of all) held.set(digest, (held.get(digest) ?? 0) + 1);
      const release = (): void => {
        for (const digest of all) {
          const left = held.get(digest)! - 1;
          if (left === 0) held.delete(digest);
          else held.set(digest, left);
        }
      };
      const lost: string[] = [];
      try {
        let next = 0;
        const fetchNext = async (): Promise<void> => {
          for (let at = next++; at < all.length; at = next++) {
            try {
              await get(all[at]!);
            } catch (error) {
              if (!(error instanceof LostBlobs)) throw error;
              lost.push(...error.digests);
            }
          }
        };
        await Promise.all(Array.from({ length: Math.min(mostAtOnce, all.length) }, fetchNext));
        if (lost.length > 0)
          throw new LostBlobs(lost, `${store.name} lacks ${lost.length} of ${all.length} blobs, or has them damaged`);
      } catch (error) {
        release();
        throw error;
      }
      return release;
    },
  };
}

interface Entry {
  readonly path: string;
  readonly digest: string;
  readonly size: number;
  readonly used: number;
}

async function entriesOf(folder: string): Promise<Entry[]> {
  const blobs = join(folder, "blobs");
  const paths = await readdir(blobs, { recursive: true }).catch(() => []);
  const found = await Promise.all(
    paths.map(async (path): Promise<Entry[]> => {
      const about = await stat(join(blobs, path)).catch(() => undefined);
      const digest = path.slice(-64);
      return about?.isFile() ? [{ path: join(blobs, path), digest, size: about.size, used: about.mtimeMs }] : [];
    }),
  );
  return found.flat();
}

const filledBy = async (folder: string): Promise<number> =>
  (await entriesOf(folder)).reduce((all, { size }) => all + size, 0);

/** Removes what was not asked for longest, until no more than so many bytes are left, and says how many are. */
async function clear(folder: string, most: number, held: ReadonlyMap<string, number>): Promise<number> {
  const entries = await entriesOf(folder);
  let left = entries.reduce((all, { size }) => all + size, 0);
  for (const { path, digest, size } of entries.toSorted((a, b) => a.used - b.used)) {
    if (left <= most) break;
    if (held.has(digest)) continue;
    await rm(path, { force: true });
    left -= size;
  }
  return left;
}
