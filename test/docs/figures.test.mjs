/** The tables of the documentation say what their data says. */
import { expect, it } from "vitest";
import { tables } from "./figures/tables.mjs";

it.each(Object.keys(tables))("%s", (name) => {
  const [said, found] = tables[name]();
  expect(said).toEqual(found);
});
