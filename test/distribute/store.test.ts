/** Blobs are known by their digests: what was cut short or changed is no blob, and no name leaves the store. */

import { createServer } from "node:http";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { batchesDataset, decodeBatch, encodeBatch } from "../../src/distribute/batch-blobs.ts";
import { cachedStore } from "../../src/distribute/cached-store-node.ts";
import { folderPlace } from "../../src/distribute/folder-store-node.ts";
import { s3Place } from "../../src/distribute/s3-store-node.ts";
import { LostBlobs, openStore, type Place } from "../../src/distribute/store.ts";
import { float32, int64s } from "../../src/graph/tensor.ts";
import { hasMoto, startMoto } from "../support/moto.ts";

const folder = mkdtempSync(join(tmpdir(), "secateur-store-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(folder, String(++folders));
const bytesOf = (text: string) => new TextEncoder().encode(text);
const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const fileOf = (at: string, digest: string, kind = "blobs") => join(at, kind, digest.slice(0, 2), digest);

describe("a store in a folder", () => {
  it("gives back what was put in, under its SHA-256", async () => {
    const at = newFolder();
    const store = openStore(folderPlace(at));
    expect(await store.size(abc)).toBeUndefined();
    expect(await store.put(bytesOf("abc"))).toBe(abc);
    expect(await store.size(abc)).toBe(3);
    expect(await store.get(abc)).toEqual(Buffer.from("abc"));
    expect(readdirSync(join(at, "blobs", "ba"))).toEqual([abc]);
  });

  it("refuses a blob that was cut short, changed or is not there, and writes it anew", async () => {
    const at = newFolder();
    const store = openStore(folderPlace(at));
    await store.put(bytesOf("abc"));
    truncateSync(fileOf(at, abc), 2);
    await expect(store.get(abc)).rejects.toThrow(LostBlobs);
    await expect(store.get(abc)).rejects.toThrow("was cut short or changed");
    // It has not its size: it is written without being asked twice.
    await store.put(bytesOf("abc"));
    expect(await store.get(abc)).toEqual(Buffer.from("abc"));
    writeFileSync(fileOf(at, abc), "abd");
    await store.put(bytesOf("abc"));
    await expect(store.get(abc)).rejects.toThrow("was cut short or changed");
    await store.put(bytesOf("abc"), { anew: true });
    expect(await store.get(abc)).toEqual(Buffer.from("abc"));
    await expect(store.get("0".repeat(64))).rejects.toThrow("is not there");
  });

  it.each([
    "../../etc/passwd",
    `../${abc.slice(3)}`,
    abc.toUpperCase(),
    `${abc}\n`,
    `${abc}/../x`,
    abc.slice(1),
    "",
    7 as never,
    [abc] as never,
    { toString: () => abc } as never,
  ])("takes %j for no digest, and looks at no file", async (name) => {
    const asked: string[] = [];
    const note = (path: string) => Promise.resolve(void asked.push(path));
    const spy: Place = { name: "nowhere", read: note as never, write: note, size: note as never, remove: note };
    const store = openStore(spy);
    for (const work of [
      store.get(name),
      store.size(name),
      store.kept(name),
      store.keep(name, "x"),
      store.remove(name),
      store.forget(name),
    ])
      await expect(work).rejects.toThrow("a blob is named by the 64 hexadecimal digits");
    expect(asked).toEqual([]);
  });

  it("takes no blob that belongs in pieces", async () => {
    const store = openStore(folderPlace(newFolder()));
    await expect(store.put({ length: 2 ** 29 + 1 } as Uint8Array)).rejects.toThrow("belongs in pieces");
  });

  it("keeps the first result of a task, and takes none that was cut short", async () => {
    const at = newFolder();
    const store = openStore(folderPlace(at));
    expect(await store.kept(abc)).toBeUndefined();
    await store.keep(abc, "first");
    await store.keep(abc, "second");
    expect(await store.kept(abc)).toBe("first");
    const file = fileOf(at, abc, "results");
    const whole = readFileSync(file);
    // Neither its digest nor its text, but what is between them.
    const spoilt = Buffer.from(String(whole).replace("\n", " "));
    for (const bytes of [
      whole.subarray(0, -1),
      whole.subarray(0, 30),
      Buffer.alloc(0),
      Buffer.from(`${whole}x`),
      spoilt,
    ]) {
      writeFileSync(file, bytes);
      expect(await store.kept(abc)).toBeUndefined();
    }
    await store.keep(abc, "third");
    expect(await store.kept(abc)).toBe("third");
    await store.keep(abc, "fourth", { anew: true });
    expect(await store.kept(abc)).toBe("fourth");
  });
});

describe("the cache of a machine", () => {
  /** A store that counts what is fetched of it. */
  function counted() {
    const place = folderPlace(newFolder());
    const read: string[] = [];
    const store = openStore({ ...place, read: (path, most) => (read.push(path), place.read(path, most)) });
    return { store, read };
  }

  it("fetches a blob once, however many ask for it at once", async () => {
    const { store, read } = counted();
    const digest = await store.put(bytesOf("abc"));
    const cache = newFolder();
    const cached = cachedStore(store, cache, 1e9);
    const all = await Promise.all(Array.from({ length: 5 }, () => cached.fetch([digest, digest])));
    for (const release of all) release();
    expect(await cached.get(digest)).toEqual(Buffer.from("abc"));
    expect(read).toHaveLength(1);
    expect(cached.fetched).toEqual({ blobs: 1, bytes: 3 });
    // Nor once more after a restart, unless what lies here is damaged.
    const again = cachedStore(store, cache, 1e9);
    await again.get(digest);
    expect(read).toHaveLength(1);
    writeFileSync(fileOf(cache, digest), "abd");
    expect(Buffer.from(await again.get(digest))).toEqual(Buffer.from("abc"));
    expect(read).toHaveLength(2);
    expect(readFileSync(fileOf(cache, digest), "utf8")).toBe("abc");
  });

  it("names all blobs that are not to be had", async () => {
    const { store } = counted();
    const known = await store.put(bytesOf("abc"));
    const cached = cachedStore(store, newFolder(), 1e9);
    const lost = ["1".repeat(64), "2".repeat(64)];
    const error: unknown = await cached.fetch([known, ...lost]).catch((thrown: unknown) => thrown);
    expect((error as LostBlobs).digests.toSorted()).toEqual(lost);
  });

  it("stays below its limit, and keeps what is in use", async () => {
    const { store } = counted();
    const cache = newFolder();
    const digests: string[] = [];
    for (let i = 0; i < 8; i++) digests.push(await store.put(new Uint8Array(100).fill(i)));
    const cached = cachedStore(store, cache, 450);
    const release = await cached.fetch([digests[0]!]);
    for (const digest of digests) {
      (await cached.fetch([digest]))();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const here = digests.map((digest) => existsSync(fileOf(cache, digest)));
    expect(here.filter(Boolean).length).toBeLessThanOrEqual(4);
    expect(here[0]).toBe(true);
    expect(here.at(-1)).toBe(true);
    release();
    // What was fetched with a blob that is not to be had is let go of too.
    await expect(cached.fetch([digests[0]!, "f".repeat(64)])).rejects.toThrow(LostBlobs);
    for (const digest of digests.slice(1)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      (await cached.fetch([digest]))();
    }
    expect(existsSync(fileOf(cache, digests[0]!))).toBe(false);
  });
});

describe("the cache of a machine that removes blobs", () => {
  it("has the room again", async () => {
    const store = openStore(folderPlace(newFolder()));
    const cache = newFolder();
    const digests: string[] = [];
    for (let i = 0; i < 7; i++) digests.push(await store.put(new Uint8Array(100).fill(i)));
    const cached = cachedStore(store, cache, 450);
    for (const digest of digests.slice(0, 4)) (await cached.fetch([digest]))();
    for (const digest of digests.slice(1, 4)) await cached.remove(digest);
    for (const digest of digests.slice(4)) (await cached.fetch([digest]))();
    expect(existsSync(fileOf(cache, digests[0]!))).toBe(true);
  });
});

describe("a minibatch as a blob", () => {
  const batch = { inputs: { "": float32([2, 3], [1, 2, 3, 4, 5, 6]) }, target: int64s([0, 1]), size: 2 };

  it("comes back as it was", () => {
    expect(decodeBatch(encodeBatch(batch))).toEqual(batch);
    const { target, ...rest } = batch;
    const named = { ...rest, inputs: { a: rest.inputs[""], "b/c": target }, targets: { target, "": target } };
    expect(decodeBatch(encodeBatch(named))).toEqual(named);
  });

  it("is given for as many samples as were drawn, and for no others", async () => {
    const drawn = batchesDataset({ name: "drawn" }, 1, 2, () => Promise.resolve(batch));
    for await (const one of drawn.batches({ batchSize: 2 })) expect(one).toBe(batch);
    await expect(drawn.batches({ batchSize: 1 })[Symbol.asyncIterator]().next()).rejects.toThrow(
      "2 samples were drawn",
    );
  });

  it("is refused where it is none", () => {
    const bytes = encodeBatch(batch);
    expect(() => decodeBatch(bytes.subarray(0, -1))).toThrow("no whole safetensors file");
    expect(() => decodeBatch(encodeBatch({ ...batch, size: 0 }))).toThrow("does not say how many samples");
    const texts = { inputs: { "": { dtype: "string", shape: [1], data: ["a"] } as const }, size: 1 };
    expect(() => encodeBatch(texts)).toThrow("holds texts, which do not travel");
  });
});

describe("a store in S3", () => {
  const env = { AWS_ACCESS_KEY_ID: "someone", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "eu-west-1" };

  /** As little of S3 as a store asks for, which checks who asks. */
  async function startS3() {
    const objects = new Map<string, Buffer>();
    const asked: string[] = [];
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => {
        const path = decodeURIComponent(request.url!.split("?")[0]!);
        asked.push(`${request.method} ${path}`);
        const isSigned = /^AWS4-HMAC-SHA256 Credential=someone\/\d+\/eu-west-1\/s3\//.test(
          request.headers.authorization ?? "",
        );
        if (!isSigned) response.writeHead(403).end();
        else if (request.method === "PUT") {
          objects.set(path, Buffer.concat(pieces));
          response.writeHead(200, { etag: '"x"' }).end();
        } else {
          const found = objects.get(path);
          response.writeHead(found ? 200 : 404, { "content-length": found?.length ?? 0, etag: '"x"' });
          response.end(request.method === "GET" ? found : undefined);
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    return { url: `http://127.0.0.1:${port}`, objects, asked, close: () => server.close() };
  }

  it("keeps blobs and results as a folder does", async () => {
    const { url, objects, close } = await startS3();
    try {
      const store = openStore(await s3Place("s3://bucket/some/where", url, env));
      expect(await store.size(abc)).toBeUndefined();
      await expect(store.get(abc)).rejects.toThrow(LostBlobs);
      expect(await store.put(bytesOf("abc"))).toBe(abc);
      expect([...objects.keys()]).toEqual([`/bucket/some/where/blobs/ba/${abc}`]);
      expect(await store.size(abc)).toBe(3);
      expect(Buffer.from(await store.get(abc))).toEqual(Buffer.from("abc"));
      await store.keep(abc, "first");
      await store.keep(abc, "second");
      expect(await store.kept(abc)).toBe("first");
      objects.set(`/bucket/some/where/blobs/ba/${abc}`, Buffer.from("ab"));
      await expect(store.get(abc)).rejects.toThrow("was cut short or changed");
    } finally {
      close();
    }
  });

  it("says what is missing, and not who asks", async () => {
    await expect(s3Place("s3://Bucket", undefined, env)).rejects.toThrow("is no store in S3");
    await expect(s3Place("s3://bucket", undefined, {})).rejects.toThrow("AWS_ACCESS_KEY_ID");
    const { url, close } = await startS3();
    try {
      const store = openStore(await s3Place("s3://bucket", url, { ...env, AWS_ACCESS_KEY_ID: "nobody" }));
      const error: unknown = await store.put(bytesOf("abc")).catch((thrown: unknown) => thrown);
      expect(String(error)).toContain("s3://bucket");
      expect(String(error)).not.toContain("secret");
    } finally {
      close();
    }
  });
});

describe.skipIf(!hasMoto)("a store on a server of S3", () => {
  const env = { AWS_ACCESS_KEY_ID: "someone", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "us-east-1" };

  it("keeps, gives back, replaces and removes blobs and results", { timeout: 120_000 }, async () => {
    await using server = await startMoto("bucket");
    const place = await s3Place("s3://bucket/some/where", server.url, env);
    const store = openStore(place);
    expect(await store.size(abc)).toBeUndefined();
    await expect(store.get(abc)).rejects.toThrow(LostBlobs);
    expect(await store.kept(abc)).toBeUndefined();
    await store.remove(abc);
    expect(await store.put(bytesOf("abc"))).toBe(abc);
    expect(await store.size(abc)).toBe(3);
    expect(Buffer.from(await store.get(abc))).toEqual(Buffer.from("abc"));
    expect(await place.read(`blobs/ba/${abc}`, 2)).toBeUndefined();
    // No byte, and many.
    const large = Uint8Array.from({ length: 5e6 }, (_, i) => i * 7);
    for (const bytes of [new Uint8Array(), large]) {
      const digest = await store.put(bytes);
      expect(await store.size(digest)).toBe(bytes.length);
      expect(Buffer.compare(await store.get(digest), bytes)).toBe(0);
    }
    await store.keep(abc, "first");
    await store.keep(abc, "second");
    expect(await store.kept(abc)).toBe("first");
    await store.keep(abc, "third", { anew: true });
    expect(await store.kept(abc)).toBe("third");
    await store.forget(abc);
    expect(await store.kept(abc)).toBeUndefined();
    await place.write(`blobs/ba/${abc}`, bytesOf("ab"));
    await expect(store.get(abc)).rejects.toThrow("was cut short or changed");
    await store.put(bytesOf("abc"));
    const cached = cachedStore(store, newFolder(), 1e9);
    (await cached.fetch([abc]))();
    expect(cached.fetched).toEqual({ blobs: 1, bytes: 3 });
    await cached.remove(abc);
    expect(await store.size(abc)).toBeUndefined();
  });

  it("says which bucket is not there", { timeout: 120_000 }, async () => {
    await using server = await startMoto("bucket");
    const store = openStore(await s3Place("s3://absent", server.url, env));
    await expect(store.put(bytesOf("abc"))).rejects.toThrow(/cannot (read from|write to) s3:\/\/absent: /);
  });
});
