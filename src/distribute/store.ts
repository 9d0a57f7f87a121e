/** A store of blobs: bytes that are named by their SHA-256, and the results of tasks, named by that of the task. */

import { fail, SecateurError } from "../graph/error.ts";
import { sha256 } from "./digest.ts";

/** Where a store keeps its bytes: a folder or a bucket. Paths have slashes and are made by the store alone. */
export interface Place {
  /** As messages name it. */
  readonly name: string;
  /** The bytes at a path; nothing where there are none. Larger ones than `most` are not read, and count as none. */
  read(path: string, most: number): Promise<Uint8Array | undefined>;
  /** Writes bytes as a whole or not at all, in place of what was there. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** How many bytes there are at a path; nothing where there are none. */
  size(path: string): Promise<number | undefined>;
  /** Removes the bytes at a path, where there are any. */
  remove(path: string): Promise<void>;
}

/** A blob of more bytes is none: what is larger is kept in pieces. */
const mostBytes = 2 ** 29;

/** A blob is not there, or its bytes are not those that it is named by. */
export class LostBlobs extends SecateurError {
  readonly digests: readonly string[];

  constructor(digests: readonly string[], message: string) {
    super("io", message);
    this.name = "LostBlobs";
    this.digests = digests;
  }
}

export interface PutOptions {
  /** Writes although the blob is there already: it may be damaged. */
  readonly anew?: boolean;
}

export interface Store {
  /** As messages name it. */
  readonly name: string;
  /**
   * Bytes by their digest.
   *
   * @throws SecateurError `bad-data` for what is no digest, {@link LostBlobs} where the blob is not there, was cut
   * short or was changed
   */
  get(digest: string): Promise<Uint8Array>;
  /** Keeps bytes. A blob that is there with as many bytes is not written again. */
  put(bytes: Uint8Array, options?: PutOptions): Promise<string>;
  /** How many bytes a blob has; nothing where it is not there. */
  size(digest: string): Promise<number | undefined>;
  /** What was kept under a key, as text; nothing where there is none, or where it was cut short or changed. */
  kept(key: string): Promise<string | undefined>;
  /** Keeps a text under a key. What is there already stays, unless it is to be written anew. */
  keep(key: string, text: string, options?: PutOptions): Promise<void>;
  /** Removes a blob. Whoever still needs it finds that it is lost, and has it put anew. */
  remove(digest: string): Promise<void>;
  /** Removes what was kept under a key; its blobs stay. */
  forget(key: string): Promise<void>;
}

const isDigest = /^[0-9a-f]{64}$/;

/** Where something lies: a name of 64 hexadecimal digits and nothing else ever becomes a path. */
function pathOf(folder: "blobs" | "results", digest: string): string {
  if (typeof digest !== "string" || !isDigest.test(digest))
    fail("bad-data", `a blob is named by the 64 hexadecimal digits of its SHA-256, and not by ${told(digest)}`);
  return `${folder}/${digest.slice(0, 2)}/${digest}`;
}

const told = (value: unknown): string => JSON.stringify(String(value).slice(0, 80));

/** A store that keeps its bytes at a place. */
export function openStore(place: Place): Store {
  const lost = (digest: string, why: string): never => {
    throw new LostBlobs([digest], `the blob ${digest.slice(0, 12)} in ${place.name} ${why}`);
  };
  return {
    name: place.name,
    async get(digest) {
      const bytes = await place.read(pathOf("blobs", digest), mostBytes);
      if (!bytes) return lost(digest, "is not there");
      if ((await sha256(bytes)) !== digest) lost(digest, "was cut short or changed: its SHA-256 is another");
      return bytes;
    },
    async put(bytes, { anew = false } = {}) {
      if (bytes.length > mostBytes) fail("internal", `a blob of ${bytes.length} bytes belongs in pieces`);
      const digest = await sha256(bytes);
      const path = pathOf("blobs", digest);
      if (anew || (await place.size(path)) !== bytes.length) await place.write(path, bytes);
      return digest;
    },
    size: async (digest) => place.size(pathOf("blobs", digest)),
    async kept(key) {
      const bytes = await place.read(pathOf("results", key), mostBytes);
      return bytes && opened(bytes);
    },
    async keep(key, text, { anew = false } = {}) {
      const path = pathOf("results", key);
      if (!anew && (await this.kept(key)) !== undefined) return;
      await place.write(path, new TextEncoder().encode(`${await sha256(text)}\n${text}`));
    },
    remove: async (digest) => place.remove(pathOf("blobs", digest)),
    forget: async (key) => place.remove(pathOf("results", key)),
  };
}

/** The text behind its own digest; nothing where the two do not agree. */
async function opened(bytes: Uint8Array): Promise<string | undefined> {
  const whole = new TextDecoder().decode(bytes);
  const text = whole.slice(65);
  return whole[64] === "\n" && (await sha256(text)) === whole.slice(0, 64) ? text : undefined;
}
