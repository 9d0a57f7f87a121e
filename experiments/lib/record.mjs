/** The record of an experiment: what was run, when and on what, and its rows. It is on disk after each row, so that a stopped run goes on. */

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

const results = new URL("../../docs/results/", import.meta.url);

/** A field of a CSV file (RFC 4180). */
function field(value) {
  const text = value === undefined || value === null ? "" : Array.isArray(value) ? value.join(" ") : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csv(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return `${[columns, ...rows.map((row) => columns.map((column) => row[column]))].map((row) => row.map(field).join(",")).join("\n")}\n`;
}

/** The experiment that a record is of: the longest beginning of its name that is one. */
function scriptOf(name) {
  const words = name.split("-");
  const names = words.map((_, i) => words.slice(0, words.length - i).join("-"));
  return names.find((one) => existsSync(new URL(`../${one}.mjs`, import.meta.url))) ?? words[0];
}

/** The widest vectors of the processor, where Linux tells: the kernels that ran follow from them. */
function vectors() {
  const about = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  return /\bavx512f\b/.test(about) ? "AVX-512" : /\bavx2\b/.test(about) ? "AVX2" : undefined;
}

function replace(path, text) {
  writeFileSync(`${path}.part`, text);
  renameSync(`${path}.part`, path);
}

/** Flags may stand in any order. */
const keyOf = ({ command, settings }) => JSON.stringify([command.split(" --").sort(), settings]);

/**
 * Opens a record. Rows of an earlier run with the same settings are kept, unless --fresh; so are those that another process adds
 * meanwhile.
 *
 * @param {string} name of the experiment
 * @param {Record<string, unknown>} flags as given
 * @param {Record<string, unknown>} settings what the flags came to; rows belong to them
 * @param {readonly string[]} [choosing] flags that say which rows to add, and are no setting
 * @param {URL} [folder] default docs/results
 */
export function openRecord(name, flags, settings, choosing = [], folder = results) {
  mkdirSync(folder, { recursive: true });
  const full = flags.quick ? `${name}-quick` : name;
  const path = (extension) => new URL(`${full}.${extension}`, folder).pathname;
  // Where files lie is no part of what was done.
  const apart = new Set(["fresh", "data", "model", "models", ...choosing]);
  const shown = Object.entries(flags).filter(([key]) => !apart.has(key));
  const command = [
    `node experiments/${scriptOf(name)}.mjs`,
    ...shown.flatMap(([key, value]) => (value === true ? [`--${key}`] : value === false ? [] : [`--${key} ${value}`])),
  ].join(" ");
  /** The rows on disk, where they belong to these settings. */
  const kept = () => {
    const old = existsSync(path("json")) ? JSON.parse(readFileSync(path("json"), "utf8")) : undefined;
    const goesOn = old !== undefined && keyOf(old) === keyOf({ command, settings });
    return goesOn ? old.rows : [];
  };
  const rows = flags.fresh ? [] : kept();
  /** Takes what another process has added. */
  const refresh = () => {
    const known = new Set(rows.map((row) => JSON.stringify(row)));
    rows.push(...(flags.fresh ? [] : kept()).filter((row) => !known.has(JSON.stringify(row))));
  };
  const head = {
    command,
    settings,
    seed: Number(flags.seed),
    version,
    node: process.version,
    cpu: cpus()[0].model,
    vectors: vectors(),
  };
  return {
    rows,
    path,
    version,
    /** The row of an earlier run in which all the given fields are the same. */
    find(fields) {
      refresh();
      return rows.find((row) => Object.entries(fields).every(([column, value]) => row[column] === value));
    },
    /** Adds a row, unless another process has come to the same one. */
    add(row) {
      refresh();
      if (!rows.some((known) => JSON.stringify(known) === JSON.stringify(row))) rows.push(row);
      const date = new Date().toISOString().slice(0, 10);
      replace(path("json"), `${JSON.stringify({ date, ...head, rows }, undefined, 1)}\n`);
      replace(path("csv"), csv(rows));
      console.log(
        Object.values(row)
          .map((value) => (typeof value === "number" ? +value.toPrecision(5) : value))
          .join("  "),
      );
    },
  };
}
