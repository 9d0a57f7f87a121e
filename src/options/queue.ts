/** Options that say which machines share work, and how it travels between them. */

import { z } from "zod";
import { count } from "./kinds.ts";

/** The address of the server, as its users write it. */
export const queue = z
  .string()
  .describe(
    "hand the work out through this server, as redis://host:6379 or postgres://host/database " +
      "(without a value: SECATEUR_QUEUE)",
  );

/** Who vouches for the server. */
export const queueCa = z
  .string()
  .describe("file of the certificates that vouch for a server with TLS, as PEM (default: those that Node trusts)");

/** Where what travels lies. */
export const store = z
  .string()
  .describe("where models, data and results lie on their way: a folder that all machines see, or s3://bucket/prefix");

export const storeEndpoint = z
  .string()
  .describe("address of the server of an s3:// store (default: AWS_ENDPOINT_URL_S3)");

/** Parts of work that is shared out. */
export const shards = count.max(100_000).default(16).describe("jobs that the minibatches are shared out in");

export const dryRun = z.boolean().describe("say how many jobs, bytes and minutes are expected, and do nothing");

export const dryRunOfPrune = z
  .boolean()
  .describe("say how many removals, steps, minutes and jobs are expected, by the first removal, and write nothing");

/** What a worker takes. */
export const working = {
  atOnce: count.max(256).default(1).describe("jobs that are done at once"),
  lock: z
    .number()
    .min(0.2)
    .max(3600)
    .default(30)
    .describe("seconds without a sign of life after which other workers take a job over"),
  patience: z
    .number()
    .min(1)
    .max(86_400)
    .default(3600)
    .describe("seconds without progress after which a job is stopped and tried anew"),
};

/** Blobs on the disk of a machine. */
export const caching = {
  cache: z
    .string()
    .describe("folder of this machine for blobs that were fetched (default: ~/.cache/secateur)")
    .optional(),
  cacheSize: count.default(20e9).describe("bytes that they may take, as 20GB"),
};
