/** secateur data: what it tells of what was fetched; the fetching has its own tests, and none needs a network. */

import { afterAll, expect, it, vi } from "vitest";

vi.mock("../../src/data/fetch-node.ts", () => ({
  fetchCifar10: fail,
  fetchMnist: async (dir: string, note: (text: string) => void) => {
    note("fetching");
    return { dir, written: ["train-images-idx3-ubyte"] };
  },
}));
function fail(): never {
  throw new Error("another data set was asked for");
}

// Files share what they import: here it is imported anew, and so it is by those that come after.
vi.resetModules();
const { secateur } = await import("./support.ts");
afterAll(() => {
  vi.restoreAllMocks();
  vi.resetModules();
});

it("prints JSON on stdout and progress on stderr", async () => {
  const { code, out, err } = await secateur(["data", "mnist", "digits", "--json"]);
  expect([code, err]).toEqual([0, "fetching\n"]);
  expect(JSON.parse(out)).toEqual({ dir: "digits", written: ["train-images-idx3-ubyte"] });
  expect(await secateur(["data", "mnist", "digits"])).toEqual({ code: 0, out: "", err: "fetching\n" });
});
