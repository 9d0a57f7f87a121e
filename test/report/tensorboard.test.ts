/** The events for TensorBoard: read back by a reader of this test's own, which checks every checksum. */

import { BinaryReader } from "@bufbuild/protobuf/wire";
import { describe, expect, it } from "vitest";
import { eventsFileName, tensorboardEvents } from "../../src/report/tensorboard.ts";
import { config, smallRecords } from "./small-run.ts";

/** CRC-32C bit by bit, as its definition has it. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ (crc & 1n ? 0x82f63b78n : 0n);
  }
  return Number(crc ^ 0xffffffffn);
}

const masked = (bytes: Uint8Array): number => {
  const crc = BigInt(crc32c(bytes));
  return Number((((crc >> 15n) | ((crc << 17n) & 0xffffffffn)) + 0xa282ead8n) & 0xffffffffn);
};

/** The records of a file, each behind its length and both checksums. */
function unframe(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const records: Uint8Array[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(view.getBigUint64(at, true));
    expect(view.getUint32(at + 8, true)).toBe(masked(file.subarray(at, at + 8)));
    const bytes = file.subarray(at + 12, at + 12 + length);
    expect(view.getUint32(at + 12 + length, true)).toBe(masked(bytes));
    records.push(bytes);
    at += 16 + length;
  }
  return records;
}

interface Read {
  wallTime?: number;
  step?: number;
  version?: string;
  scalars: Record<string, number>;
}

function readEvent(bytes: Uint8Array): Read {
  const reader = new BinaryReader(bytes);
  const read: Read = { scalars: {} };
  while (reader.pos < reader.len) {
    const [field] = reader.tag();
    if (field === 1) read.wallTime = reader.double();
    else if (field === 2) read.step = Number(reader.int64());
    else if (field === 3) read.version = reader.string();
    else {
      expect(field).toBe(5);
      Object.assign(read.scalars, readSummary(reader.bytes()));
    }
  }
  return read;
}

function readSummary(bytes: Uint8Array): Record<string, number> {
  const reader = new BinaryReader(bytes);
  const scalars: Record<string, number> = {};
  while (reader.pos < reader.len) {
    expect(reader.tag()[0]).toBe(1);
    const value = new BinaryReader(reader.bytes());
    expect(value.tag()[0]).toBe(1);
    const tag = value.string();
    expect(value.tag()[0]).toBe(2);
    scalars[tag] = value.float();
    expect(value.pos).toBe(value.len);
  }
  return scalars;
}

const started = Date.parse(config.started) / 1000;

describe("events for TensorBoard", () => {
  it("have checksums of the kind that TFRecord asks for", () => {
    // The check value of CRC-32C.
    expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
  });

  it("begin with the version of the format, in these bytes", () => {
    expect(Buffer.from(tensorboardEvents([], config.started)).toString("hex")).toBe(
      // What TensorBoard's own RecordWriter makes of Event(wall_time=1767323045, file_version="brain.Event:2").
      "1800000000000000a37f4b220900004069cd55da411a0d627261696e2e4576656e743a323a55afd8",
    );
  });

  it("hold what was told, on one axis of minibatches", () => {
    const [version, ...events] = unframe(tensorboardEvents(smallRecords(), config.started)).map(readEvent);
    expect(version).toEqual({ wallTime: started, version: "brain.Event:2", scalars: {} });
    const float = Math.fround;
    const removal = (units: number, macs: number, loss: number) => ({
      "prune/units": units,
      "prune/macs": macs,
      "prune/loss": loss,
    });
    const learned = (loss: number) => ({ "train/loss": loss, "train/learning_rate": float(0.01) });
    const measured = (loss: number, top1: number) => ({ "validation/loss": loss, "validation/top1": top1 });
    expect(events.map(({ step, wallTime, scalars }) => [step, wallTime! - started, scalars])).toEqual([
      [0, 1, measured(0.25, Math.fround(0.94))],
      [1, 2, learned(0.5)],
      [1, 3, removal(24, 300_000, 0.5)],
      [2, 3, learned(0.375)],
      [2, 4, removal(18, 200_000, 0.375)],
      [2, 5, measured(0.375, 0.875)],
      [3, 2, learned(0.25)],
      [4, 3, learned(0.125)],
      [5, 4, learned(0.1875)],
      [5, 15, measured(0.125, Math.fround(0.965))],
    ]);
  });

  it("leave out what was not finite or not measured", () => {
    const records = JSON.parse(JSON.stringify(smallRecords()).replaceAll(/"(loss|top1)":[\d.]+/g, '"$1":null'));
    const read = unframe(tensorboardEvents(records, config.started)).map(readEvent);
    expect(new Set(read.flatMap(({ scalars }) => Object.keys(scalars)))).toEqual(
      new Set(["train/learning_rate", "prune/units", "prune/macs"]),
    );
  });

  it("lie in a file that TensorBoard finds", () => {
    expect(eventsFileName("2026-01-02T03:04:05.678Z")).toBe("events.out.tfevents.1767323045.secateur");
  });
});
