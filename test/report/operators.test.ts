/** The page of operators is that of the table; `npm run docs` writes it. */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { operatorsPage } from "../../src/report/operators.ts";

const path = fileURLToPath(new URL("../../docs/operators.md", import.meta.url));

it("docs/operators.md is up to date", () => {
  const page = operatorsPage();
  if (process.env["SECATEUR_UPDATE"] !== undefined) writeFileSync(path, page);
  expect(page, "run npm run docs").toBe(readFileSync(path, "utf8"));
});
