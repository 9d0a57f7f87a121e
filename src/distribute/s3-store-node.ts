/** A bucket of S3, or of what speaks its protocol, as a place for blobs. */

import type { S3mini } from "s3mini";
import { fail, option } from "../graph/error.ts";
import type { Place } from "./store.ts";

/** The account, as all tools for S3 read it. */
interface Account {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  readonly endpoint: string;
}

function accountOf(env: NodeJS.ProcessEnv, endpoint: string | undefined): Account {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  const region = env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"] ?? "us-east-1";
  if (!accessKeyId || !secretAccessKey)
    fail("bad-option", "a store in S3 needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment");
  const server =
    endpoint ?? env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"] ?? `https://s3.${region}.amazonaws.com`;
  if (!URL.canParse(server)) fail("bad-option", `${option("storeEndpoint", server)} is no address`);
  return { accessKeyId, secretAccessKey, region, endpoint: server.replace(/\/+$/, "") };
}

/**
 * A place in a bucket.
 *
 * @param address as s3://bucket/prefix
 * @param endpoint of the server, if it is not that of the environment or Amazon's
 * @throws SecateurError `bad-option` for what is no such address or where the account is missing, `unsupported` where
 * the package is not installed
 */
export async function s3Place(address: string, endpoint?: string, env = process.env): Promise<Place> {
  const [, bucket, prefix = ""] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(address) ?? [];
  if (bucket === undefined) fail("bad-option", `${address} is no store in S3: it looks like s3://bucket/prefix`);
  const { endpoint: server, ...account } = accountOf(env, endpoint);
  const client = await open({ ...account, endpoint: `${server}/${bucket}` });
  const keyOf = (path: string): string => `${prefix.replace(/\/?$/, prefix === "" ? "" : "/")}${path}`;
  const name = address;
  const trying = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      return fail("io", `cannot ${what} ${name}: ${(error as Error).message}`, error);
    }
  };
  return {
    name,
    read: (path, most) =>
      trying("read from", async () => {
        const response = await client.getObjectResponse(keyOf(path));
        if (!response || Number(response.headers.get("content-length") ?? 0) > most) return undefined;
        return new Uint8Array(await response.arrayBuffer());
      }),
    write: (path, bytes) =>
      trying("write to", async () => {
        await client.putAnyObject(keyOf(path), bytes, "application/octet-stream");
      }),
    size: (path) =>
      trying("read from", async () =>
        (await client.objectExists(keyOf(path))) === true ? client.getContentLength(keyOf(path)) : undefined,
      ),
    remove: (path) =>
      trying("remove from", async () => {
        await client.deleteObject(keyOf(path));
      }),
  };
}

async function open(config: Account): Promise<S3mini> {
  try {
    const { S3mini } = await import("s3mini");
    return new S3mini(config);
  } catch (error) {
    return fail(
      "unsupported",
      `a store in S3 needs a package that is not installed here: npm install s3mini@1 (${(error as Error).message})`,
      error,
    );
  }
}
