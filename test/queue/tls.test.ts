/** A queue with TLS: a server that a named authority vouches for is worked for, and no other. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { connect } from "../../src/queue/connection-node.ts";
import { secateur } from "../cli/support.ts";
import { startWorker } from "../support/processes.ts";
import { hasOpenssl, makeCertificate, servers } from "../support/servers.ts";
import { netPath } from "./support.ts";

vi.setConfig({ testTimeout: 300_000 });
const folder = mkdtempSync(join(tmpdir(), "secateur-tls-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const onNote = (): void => undefined;

describe.each(hasOpenssl ? servers : [])("a queue with TLS on $name", ({ start }) => {
  const codeOf = async (address: string, queueCa?: string): Promise<readonly [string, string]> => {
    const error = (await connect(address, { onNote, queueCa }).catch((thrown: unknown) => thrown)) as {
      code: string;
      message: string;
    };
    return [error.code, error.message];
  };

  it("has its work done where its certificate is vouched for", async () => {
    const own = makeCertificate(folder, "own", "IP:127.0.0.1,DNS:localhost");
    await using server = await start({ isSecret: true, certificate: own });
    await using worker = startWorker(server, "one", ["--queue-ca", own.cert]);
    await worker.saying(/works for (rediss:\/\/|postgres:\/\/secateur):\*\*\*@/);
    const out = join(folder, "scores.json");
    writeFileSync(
      join(folder, "data.mjs"),
      `export default async function* () {
  for (let i = 0; i < 2; i++) {
    const data = new Float32Array(2 * 243).map((_, j) => Math.sin(i + j));
    yield { inputs: { dtype: "float32", shape: [2, 3, 9, 9], data }, target: [0, 1] };
  }
}
`,
    );
    const words = ["score", netPath, "--data", `module:${join(folder, "data.mjs")}`, "--batch-size", "2"];
    const queue = ["--queue", server.url, "--queue-ca", own.cert, "--store", join(server.folder, "store")];
    const here = ["--cache", join(server.folder, "here"), "--batches", "2", "--shards", "2", "--labels-are-right"];
    const { code, err } = await secateur([...words, ...queue, ...here, "-o", out]);
    expect(code, err).toBe(0);
    expect(worker.said()).toMatch(/shard \d\/2 done/);
  });

  it("is refused where nobody vouches for it, where it is of another host, and where there is no TLS", async () => {
    const [own, other, elsewhere] = [
      makeCertificate(folder, "right", "IP:127.0.0.1"),
      makeCertificate(folder, "other", "IP:127.0.0.1"),
      makeCertificate(folder, "elsewhere", "IP:10.9.8.7"),
    ];
    await using server = await start({ certificate: own });
    await (await connect(server.url, { onNote, queueCa: own.cert }))[Symbol.asyncDispose]();
    for (const wrong of [undefined, other.cert])
      expect(await codeOf(server.url, wrong)).toEqual([
        "bad-option",
        expect.stringMatching(/shows a certificate that is not trusted \(.*self.signed certificate.*\): name the file/),
      ]);
    const unsecured = server.url.replace("rediss:", "redis:").replace("?sslmode=verify-full", "");
    expect(["io", "bad-option"]).toContain((await codeOf(unsecured))[0]);
    await using foreign = await start({ certificate: elsewhere });
    expect(await codeOf(foreign.url, elsewhere.cert)).toEqual([
      "bad-option",
      expect.stringMatching(/is not trusted \(Hostname\/IP does not match/),
    ]);
    await using plain = await start();
    const secured = plain.url.startsWith("redis:")
      ? plain.url.replace("redis:", "rediss:")
      : `${plain.url}?sslmode=verify-full`;
    expect(await codeOf(secured, own.cert)).toEqual([
      "io",
      expect.stringMatching(/no queue answers at .*(Redis or Valkey with TLS there|does not support SSL)/),
    ]);
  });
});

describe.skipIf(!hasOpenssl)("the file of certificates", () => {
  it("is looked at, and whether it is for TLS", async () => {
    const address = "rediss://127.0.0.1:1";
    const ran = async (ca: string, queue = address) =>
      (await secateur(["worker", "--queue", queue, "--store", folder, "--queue-ca", ca])).err;
    expect(await ran(join(folder, "absent.pem"))).toContain("absent.pem: no such file");
    writeFileSync(join(folder, "empty.pem"), "hello");
    expect(await ran(join(folder, "empty.pem"))).toContain("empty.pem holds no certificate");
    const { cert } = makeCertificate(folder, "plain", "IP:127.0.0.1");
    expect(await ran(cert, "redis://127.0.0.1:1")).toContain(
      "--queue-ca is for TLS, and redis://127.0.0.1:1 is without: write rediss://",
    );
    expect(await ran(cert, "postgres://me@127.0.0.1:1/a")).toContain(
      "--queue-ca is for TLS, and postgres://me@127.0.0.1:1/a is without: add ?sslmode=verify-full",
    );
  });
});
