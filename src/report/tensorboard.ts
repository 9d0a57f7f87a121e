/**
 * Events for TensorBoard: records framed as TFRecord, each a tensorflow.Event.
 * https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto,
 * and summary.proto beside it
 */

import { joinBytes } from "../graph/join-bytes.ts";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { crc32c } from "../graph/crc.ts";
import type { RunRecord } from "./record.ts";

/** The name by which TensorBoard finds the file; a run has one, whenever it is written. */
export const eventsFileName = (started: string): string =>
  `events.out.tfevents.${Math.floor(Date.parse(started) / 1000)}.secateur`;

/**
 * The record of a run as TensorBoard reads it. Minibatches of pruning and of fine-tuning are counted on one axis of
 * steps, on which removals and measurements lie too.
 */
export function tensorboardEvents(records: readonly RunRecord[], started: string): Uint8Array {
  const frames = [frame(versionEvent(secondsOf(started)))];
  let [step, pruning] = [0, 0];
  for (const record of records) {
    if (record.kind === "step") {
      step = record.phase === "prune" ? record.step : pruning + record.step;
      pruning = Math.max(pruning, record.phase === "prune" ? record.step : 0);
    }
    const scalars = Object.entries(scalarsOf(record)).filter(isScalar);
    if (scalars.length > 0) frames.push(frame(scalarsEvent(secondsOf(record.time), step, scalars)));
  }
  return joinBytes(frames);
}

type Scalar = [tag: string, value: number];

/** What is not finite is null in the record. */
const isScalar = (entry: [string, number | undefined]): entry is Scalar => Number.isFinite(entry[1]);

function scalarsOf(record: RunRecord): Readonly<Record<string, number | undefined>> {
  switch (record.kind) {
    case "step":
      return { "train/loss": record.loss, "train/learning_rate": record.learningRate };
    case "removal":
      return { "prune/units": record.units, "prune/macs": record.costs.macs, "prune/loss": record.loss };
    case "epoch":
    case "evaluation": {
      const { loss, top1, agreement, metric } = record.evaluation;
      return {
        ...(metric && { [`validation/${metric.name}`]: metric.value }),
        "validation/loss": loss,
        "validation/top1": top1,
        "validation/agreement": agreement,
      };
    }
    default:
      return {};
  }
}

const secondsOf = (time: string): number => Date.parse(time) / 1000;

/** Numbers of fields: Event, Summary and Summary.Value. */
const event = { wallTime: 1, step: 2, fileVersion: 3, summary: 5 } as const;
const summaryValue = 1;
const value = { tag: 1, simpleValue: 2 } as const;

const timed = (seconds: number): BinaryWriter => new BinaryWriter().tag(event.wallTime, WireType.Bit64).double(seconds);

/** What every file begins with. */
const versionEvent = (seconds: number): Uint8Array =>
  timed(seconds).tag(event.fileVersion, WireType.LengthDelimited).string("brain.Event:2").finish();

function scalarsEvent(seconds: number, step: number, scalars: readonly Scalar[]): Uint8Array {
  const writer = timed(seconds).tag(event.step, WireType.Varint).int64(step);
  writer.tag(event.summary, WireType.LengthDelimited).fork();
  for (const [tag, scalar] of scalars) {
    writer.tag(summaryValue, WireType.LengthDelimited).fork();
    writer.tag(value.tag, WireType.LengthDelimited).string(tag);
    writer.tag(value.simpleValue, WireType.Bit32).float(scalar);
    writer.join();
  }
  return writer.join().finish();
}

/** A TFRecord: the length and its checksum, the bytes and theirs, all little-endian. */
function frame(bytes: Uint8Array): Uint8Array {
  const framed = new Uint8Array(12 + bytes.length + 4);
  const view = new DataView(framed.buffer);
  view.setBigUint64(0, BigInt(bytes.length), true);
  view.setUint32(8, maskedCrc(framed.subarray(0, 8)), true);
  framed.set(bytes, 12);
  view.setUint32(12 + bytes.length, maskedCrc(bytes), true);
  return framed;
}

/** TFRecord rotates checksums and adds to them, so that those of bytes that hold checksums are of use too. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
