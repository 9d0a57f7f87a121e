/** The part of a measurement that one machine made: what it holds, and what it was made of. */

import { z } from "zod";
import { fail } from "../graph/error.ts";
import { version } from "../graph/version.ts";
import { shard } from "../options/distribute.ts";
import { sha256 } from "./digest.ts";
import { shardName } from "./shards.ts";

const kind = "secateur-score-part";
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const whole = z.int().min(0);

const body = {
  kind: z.literal(kind),
  /** Of Secateur: another one may compute otherwise. */
  version: z.string(),
  shard,
  /** SHA-256 of the model: of its graph and its weights. */
  model: digest,
  data: z.strictObject({
    name: z.string(),
    size: whole.optional(),
    classes: whole.optional(),
    /** SHA-256 of the first minibatch, which the order of all samples decides. */
    first: digest,
  }),
  criterion: z.strictObject({
    name: z.string(),
    /** Whether it is none of the table. */
    own: z.boolean(),
  }),
  /** All that importances depend on besides, by the names of the library; models as their SHA-256. */
  options: z.record(z.string(), z.unknown()),
  /** What may change the last digits. */
  machine: z.record(z.string(), z.unknown()),
  /** For criteria that count costs: what the removal of each unit alone saves, by groups. */
  savings: z
    .array(z.tuple([z.string(), z.array(z.strictObject({ macs: z.number(), params: z.number(), bytes: z.number() }))]))
    .optional(),
  /** What each minibatch gives for the units of each group: float64, little-endian, as base64. */
  minibatches: z.array(z.strictObject({ index: whole, samples: z.array(z.tuple([z.string(), z.base64()])) })),
};
const scorePart = z.strictObject({
  ...body,
  /** SHA-256 of all the rest. */
  sha256: digest,
});

/** A part of a measurement as plain JSON. */
export type ScorePart = z.infer<typeof scorePart>;

/** The part with the digest of what it holds. */
export async function sealed(part: Omit<ScorePart, "kind" | "version" | "sha256">): Promise<ScorePart> {
  const whole = { kind, version, ...part } as const;
  return { ...whole, sha256: await sealOf(whole) };
}

/** In the order of the form, wherever the object was before. */
const sealOf = (part: object): Promise<string> => {
  const given = new Map(Object.entries(part));
  return sha256(JSON.stringify(Object.keys(body).map((key) => [key, given.get(key)])));
};

/** The text of the file of a part. */
export const formatPart = (part: ScorePart): string => `${JSON.stringify(part)}\n`;

/**
 * Reads the file of a part.
 *
 * @param name of the file, for errors
 * @throws SecateurError `bad-plan` for what is no part, or was cut short
 */
export function parsePart(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const isPart = text.trimStart().startsWith(`{"kind":"${kind}"`);
    return fail(
      "bad-plan",
      isPart || text.trim() === "" ? `${name} is cut short: make the part again` : `${name} is ${noPart}`,
      error,
    );
  }
}

const noPart = "no part of a measurement, as secateur score writes it where it is told which shard it is";

/**
 * Holds what was given as a part against its form and its own digest.
 *
 * @param name what errors call it
 * @throws SecateurError `bad-plan` for what is no part, is of another version, or was changed or cut short
 */
export async function checkPart(given: unknown, name: string): Promise<ScorePart> {
  const { kind: own, version: other } = (given ?? {}) as Partial<ScorePart>;
  if (own !== kind) fail("bad-plan", `${name} is ${noPart}`);
  if (other !== version)
    fail(
      "bad-plan",
      `${name} was made by Secateur ${String(other)}, and this is ${version}: make all parts and merge them with one ` +
        "version",
    );
  const { success, data } = scorePart.safeParse(given);
  if (!success || (await sealOf(data)) !== data.sha256)
    fail("bad-plan", `${name} is not as it was written, cut short or changed: make the part again`);
  return data;
}

/** What errors call a part that has no file. */
export const partName = (given: unknown, at: number): string => {
  const parsed = shard.safeParse((given as Partial<ScorePart> | null)?.shard);
  return parsed.success ? `part ${shardName(parsed.data)}` : `the part at place ${at + 1}`;
};

/** Numbers as base64 of their bytes. */
export function encodeNumbers(numbers: Float64Array): string {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  let text = "";
  // More arguments than some ten thousand are too many for a call.
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

/** @throws SecateurError `bad-plan` where the bytes are no whole numbers */
export function decodeNumbers(text: string): Float64Array {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  if (bytes.length % 8 !== 0) fail("bad-plan", `a part holds ${bytes.length} bytes where numbers of 8 bytes belong`);
  return new Float64Array(bytes.buffer);
}
