/** The record of an experiment: what was run, when and on what, and its rows. It is on disk after each row, so that a stopped run goes on. */

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

/** A field of a CSV file (RFC 4180). */
function field(value) {
  const text = value === undefined || value === null ? "" : Array.isArray(value) ? value.join(" ") : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csv(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return `${[columns, ...rows.map((row) => columns.map((column) => row[column]))].map((row) => row.map(field).join(",")).join("\n")}\n`;
}

function replace(path, text) {
  writeFileSync(`${path}.part`, text);
  renameSync(`${path}.part`, path);
}

/**
 * Opens a record under docs/results. Rows of an earlier run with the same settings are kept, unless --fresh.
 *
 * @param {string} name of the experiment
 * @param {Record<string, unknown>} flags as given
 * @param {Record<string, unknown>} settings what the flags came to; rows belong to them
 * @param {URL} [folder]
 */
export function openRecord(name, flags, settings, folder = new URL("../../docs/results/", import.meta.url)) {
  mkdirSync(folder, { recursive: true });
  const full = flags.quick ? `${name}-quick` : name;
  const path = (extension) => new URL(`${full}.${extension}`, folder).pathname;
  // Where files lie is no part of what was done.
  const shown = Object.entries(flags).filter(([key]) => !["fresh", "data", "model", "models"].includes(key));
  const command = [
    `node experiments/${name.split("-")[0]}.mjs`,
    ...shown.flatMap(([key, value]) => (value === true ? [`--${key}`] : value === false ? [] : [`--${key} ${value}`])),
  ].join(" ");
  const key = JSON.stringify({ command, settings });
  const old = existsSync(path("json")) && !flags.fresh ? JSON.parse(readFileSync(path("json"), "utf8")) : undefined;
  const goesOn = old !== undefined && JSON.stringify({ command: old.command, settings: old.settings }) === key;
  const rows = goesOn ? old.rows : [];
  const head = { command, settings, seed: Number(flags.seed), version, node: process.version, cpu: cpus()[0].model };
  return {
    rows,
    path,
    /** The row of an earlier run in which all the given fields are the same. */
    find: (fields) => rows.find((row) => Object.entries(fields).every(([column, value]) => row[column] === value)),
    add(row) {
      rows.push(row);
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
