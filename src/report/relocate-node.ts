/** Where the files of a run are now: it may go on from another folder, and have been moved together with them. */

import { existsSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import type { RunConfig } from "./record.ts";

/** The places where a file may be now that a run read by this path, the likeliest first. */
export type Places = (path: string) => string[];

/**
 * @param dir where the run is now
 */
export function placesOf({ folder, dir: before }: Pick<RunConfig, "folder" | "dir">, dir: string): Places {
  return (path) => {
    if (folder === undefined || before === undefined) return [path];
    const then = resolve(folder, path);
    const moved = resolve(dir, relative(before, then));
    const here = resolve(path);
    const places = isAbsolute(path) ? [then, moved] : [moved, then, here];
    // By the name that it was given, where that is still right.
    return [...new Set(places)].map((place) => (place === here ? path : place));
  };
}

/**
 * The first of the places where something is; the first of all where nothing is, as a run names it that never moved.
 */
export const find = (places: readonly string[]): string => places.find((place) => existsSync(place)) ?? places[0]!;

/** The first of the places that a file can be written at. */
export const findFolder = (places: readonly string[]): string =>
  places.find((place) => existsSync(dirname(place))) ?? places[0]!;
