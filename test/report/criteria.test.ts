/** The page of criteria names every criterion of the table, and no other. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { criteria } from "../../src/criteria/table.ts";
import { costOf } from "../../src/report/criteria.ts";

const page = readFileSync(fileURLToPath(new URL("../../docs/criteria.md", import.meta.url)), "utf8");

it("docs/criteria.md has a row for every criterion", () => {
  const first = page.split("\n\n").find((part) => part.startsWith("| "));
  const rows = first!.split("\n");
  const named = rows.slice(2).flatMap((row) => row.split("|")[1]!.trim().split(", "));
  expect(named.toSorted()).toEqual([...criteria.keys()].toSorted());
});

it("criteria say what they take", () => {
  expect(costOf(criteria.get("magnitude")!)).toBe("no data");
  expect(costOf(criteria.get("taylor-so")!)).toBe("a backward pass, a Hessian-vector product");
});
