/** Pages can be read in a terminal, and their links lead somewhere. */

import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { read } from "./figures/page.mjs";
import { root } from "./support.ts";

const folders = [".", "docs", "docs/guide", "test/fixtures"];
const pages = folders.flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name)),
);

/** The names by which links know the headings of a page. */
const anchorsOf = (markdown) =>
  [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

describe.each(pages)("%s", (page) => {
  const text = read(page);

  it("has no line over 120 columns but in tables", () => {
    const long = text.split("\n").filter((line) => [...line].length > 120 && !/^\||\]\([^)]*\)$/.test(line));
    expect(long).toEqual([]);
  });

  it("links to what there is", () => {
    const links = [...text.replace(/^```[^]*?^```$/gm, "").matchAll(/\]\((?!\w+:)([^)#]*)#?([^)]*)\)/g)];
    const broken = links.filter(([, path, anchor]) => {
      const target = path ? join(dirname(page), path) : page;
      if (!existsSync(join(root, target))) return true;
      return anchor !== "" && target.endsWith(".md") && !anchorsOf(read(target)).includes(anchor);
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  it("names files of the source that are there", () => {
    const named = [...text.matchAll(/`((?:src|test|scripts|bench|experiments|docs)\/[\w./-]+\.\w+)`/g)];
    const gone = named.filter(([, path]) => !existsSync(join(root, path)));
    expect(gone.map(([, path]) => path)).toEqual([]);
  });
});
