/** The checksums that a zip file declares. */

import { crc32 } from "node:zlib";
import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { npzDataset } from "../../src/index.ts";
import { npy } from "../support/images.ts";
import { checksumsOf } from "../../src/data/zip.ts";

const text = new TextEncoder().encode("123456789");

describe("the directory of a zip file", () => {
  const members = { "a.npy": text, "b/ä.npy": new Uint8Array(1000), "c.npy": new Uint8Array() };
  const whole = zipSync(members);
  const expected = Object.values(members).map((bytes) => crc32(bytes));

  it("declares the checksum of each member, with a comment behind it too", () => {
    expect(checksumsOf(whole)).toEqual(expected);
    expect(checksumsOf(zipSync(members, { comment: "of a file" }))).toEqual(expected);
    expect(checksumsOf(zipSync({}))).toEqual([]);
  });

  it("may have its end in the wide form", () => {
    const [end, view] = [whole.length - 22, new DataView(whole.buffer, whole.byteOffset)];
    const wide = new DataView(new ArrayBuffer(56 + 20));
    wide.setUint32(0, 0x06064b50, true);
    wide.setUint32(4, 44, true);
    wide.setUint32(24, 3, true);
    wide.setUint32(32, 3, true);
    wide.setUint32(40, view.getUint32(end + 12, true), true);
    wide.setUint32(48, view.getUint32(end + 16, true), true);
    wide.setUint32(56, 0x07064b50, true);
    wide.setUint32(64, end, true);
    wide.setUint32(72, 1, true);
    const narrow = whole.slice(end);
    new DataView(narrow.buffer).setUint16(8, 0xffff, true);
    new DataView(narrow.buffer).setUint32(16, 0xffffffff, true);
    const bytes = Buffer.concat([whole.subarray(0, end), Buffer.from(wide.buffer), narrow]);
    expect(checksumsOf(bytes)).toEqual(expected);
  });

  it.each([
    ["is cut short", whole.subarray(0, whole.length - 30)],
    ["is not there", new Uint8Array(100)],
    ["is not within a comment's length of the end", Uint8Array.from([...whole, ...new Uint8Array(70_000)])],
    ["points elsewhere", Uint8Array.from(whole, (byte, i) => (i === whole.length - 6 ? byte ^ 1 : byte))],
    ["points out of the file", Uint8Array.from(whole, (byte, i) => (i === whole.length - 4 ? 255 : byte))],
  ])("that %s is an error", (_, bytes) => {
    expect(() => checksumsOf(bytes)).toThrow(RangeError);
  });
});

it("an .npz file whose bytes are at hand is read as the same file on disk, and a damaged one is refused", async () => {
  const bytes = zipSync({
    "x_test.npy": [npy("<f4", [3, 1], [1, 2, 3]), { level: 0 }],
    "x_train.npy": npy("<f4", [1, 1], [4]),
  });
  const data = await npzDataset("numbers", bytes);
  expect(data.size).toBe(3);
  for await (const { inputs } of data.batches({ batchSize: 3 })) expect([...inputs[""]!.data]).toEqual([1, 2, 3]);
  expect((await npzDataset("numbers", bytes, { split: "train" })).size).toBe(1);
  const damaged = bytes.slice();
  damaged[Buffer.from(bytes).indexOf(Buffer.from(Float32Array.of(1, 2, 3).buffer))]! ^= 1;
  await expect(npzDataset("numbers", damaged)).rejects.toThrow("its checksum is not that of its bytes");
});
