/** Lists of classes: how they are written, and how the classes of data are found in them. */

import { describe, expect, it } from "vitest";
import { builtInList, matchClasses, parseClasses, withClasses } from "../../src/data/class-list.ts";
import { imageDataset } from "../../src/data/images.ts";
import { collect, labelsOf } from "../support/images.ts";

const namesIn = (text: string): string[] => parseClasses(text, "list").classes.map(([name]) => name!);

describe("a list", () => {
  it.each([
    ["lines", "cat\r\n  dog \nhot dog\n"],
    ["JSON", '["cat", "dog", "hot dog"]'],
    ["an object of JSON by number", '{"1": ["n1", "x"], "0": "cat", "2": "hot dog"}'.replace('["n1", "x"]', '"dog"')],
    ["a dictionary of Python", "{0: 'cat', 1: \"dog\", 2: 'hot dog'}"],
    ["a list of Python", "['cat', 'dog', 'hot dog']"],
  ])("is read from %s", (_, text) => expect(namesIn(text)).toEqual(["cat", "dog", "hot dog"]));

  it("holds all names of a class, as in the lists that come with ImageNet", () => {
    expect(parseClasses("n01440764 tench, Tinca tinca\nn01443537 goldfish", "synsets").classes).toEqual([
      ["tench", "Tinca tinca", "tench, Tinca tinca", "n01440764"],
      ["goldfish", "n01443537"],
    ]);
    expect(namesIn('{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}')).toEqual([
      "n01440764",
      "n01443537",
    ]);
  });

  it.each([
    ["", /class 0 has no name/],
    ["cat\n\ndog", /class 1 has no name/],
    ['["cat", 3]', /class 1 has no name/],
    ["[cat, dog", /is no JSON: give a list of names/],
    ['{"0": "cat", "2": "dog"}', /has 2 classes but none of number 1/],
  ])("is refused as %j", (text, message) => expect(() => parseClasses(text, "list")).toThrow(message));
});

describe("ImageNet's classes", async () => {
  const list = await builtInList("imagenet");
  const placeOf = (name: string) => matchClasses([name], list);

  it("are a thousand, in the order of their ids", () => {
    const ids = list.classes.map((names) => names.at(-1)!);
    expect(ids).toHaveLength(1000);
    expect(ids.every((id) => /^n\d{8}$/.test(id))).toBe(true);
    expect(ids).toEqual([...ids].sort());
    expect(matchClasses(ids, list)).toEqual({ ids: [...ids.keys()], problems: [] });
  });

  it.each([
    ["n01440764", 0],
    ["Tench", 0],
    ["great_white_shark", 2],
    ["man-eating shark", 2],
    ["maillot", 638],
    ["maillot tank suit", 639],
    ["toilet tissue", 999],
  ])("have %s as output %d", (name, place) => expect(placeOf(name)).toEqual({ ids: [place], problems: [] }));

  it("have two cranes, and no cat by that name alone", () => {
    expect(placeOf("crane").problems).toEqual([
      expect.stringMatching(/"crane" is several of them \(134 crane n02012849; 517 crane n03126707\)/),
    ]);
    expect(placeOf("cat").problems).toEqual([
      expect.stringMatching(/"cat" is none of them \(like it: 281 tabby n02123045; 282 tiger cat n02123159; 283 /),
    ]);
    expect(placeOf("spanner of doom").problems).toEqual(['"spanner of doom" is none of them']);
  });

  it("stand behind one for the background in TensorFlow's nets", async () =>
    expect(matchClasses(["tench"], await builtInList("imagenet-1001")).ids).toEqual([1]));
});

describe("data", () => {
  const of = (classNames: readonly string[] | undefined, labels: readonly number[], classes: number) =>
    imageDataset({
      name: "pets",
      shape: [1, 1, 1],
      images: Uint8Array.from(labels, (_, i) => i),
      labels: Int32Array.from(labels),
      classes,
      ...(classNames && { classNames }),
    });
  const pets = of(["cat", "dog"], [0, 1, 1, 0], 2);

  it("gets the class ids of a list by its names, in all its parts", async () => {
    const mapped = withClasses(pets, await builtInList("cifar10"));
    expect(mapped).toMatchObject({ classes: 10, classList: "cifar10", size: 4 });
    expect(labelsOf(await collect(mapped, { batchSize: 4 }))).toEqual([3, 5, 5, 3]);
    expect(labelsOf(await collect(mapped.subset!([1, 3], "some"), { batchSize: 4 }))).toEqual([5, 3]);
    expect(mapped.labels?.slice(2, 4)).toEqual(["bird", "cat"]);
  });

  it("is refused where a list has not its names, all of them in one error", () => {
    const list = parseClasses("bird\nhot dog", "list.txt");
    expect(() => withClasses(pets, list)).toThrow(
      /not those of list\.txt \(2\): "cat" is none of them; "dog" is none of them \(like it: 1 hot dog\)\. Rename them/,
    );
  });

  it("without names keeps its ids, or is renumbered by a list of them", async () => {
    const bare = of(undefined, [0, 1, 2, 0], 3);
    const named = withClasses(bare, parseClasses("ant\nbee\ncat", "list"));
    expect(labelsOf(await collect(named, { batchSize: 4 }))).toEqual([0, 1, 2, 0]);
    const renumbered = withClasses(bare, parseClasses("2\n0\n1", "list"));
    expect(labelsOf(await collect(renumbered, { batchSize: 4 }))).toEqual([1, 2, 0, 1]);
  });

  it("that is called by numbers means the outputs of these numbers", async () => {
    const digits = of(["10", "2", "7"], [0, 1, 2, 0], 3);
    const mapped = withClasses(digits, await builtInList("numbers", digits.labels));
    expect(labelsOf(await collect(mapped, { batchSize: 4 }))).toEqual([10, 2, 7, 10]);
  });
});
