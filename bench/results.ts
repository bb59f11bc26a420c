// What a run leaves behind: a file of JSON, from which its chart can be drawn again.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Machine } from "./machine.ts";
import type { Measurement } from "./measurement.ts";
import type { ScenarioReport } from "./report.ts";
import type { Settings } from "./scenarios/scenario.ts";

export interface Results {
  /** When it began, as RFC 3339. */
  readonly at: string;
  readonly machine: Machine;
  readonly settings: Settings;
  readonly rounds: number;
  readonly reports: readonly ScenarioReport[];
  readonly measurements: readonly Measurement[];
}

const folder = new URL("./results/", import.meta.url);

/** Writes the file that is named after the run's beginning; resolves to its path. */
export async function writeResults(results: Results): Promise<string> {
  const file = fileURLToPath(new URL(`${results.at.replaceAll(":", "-").slice(0, 19)}Z.json`, folder));
  await mkdir(folder, { recursive: true });
  await writeFile(file, `${JSON.stringify(results, undefined, 2)}\n`);
  return file;
}

export async function readResults(file: string): Promise<Results> {
  const results = JSON.parse(await readFile(file, "utf8")) as Partial<Results>;
  const { at, machine, settings, rounds, measurements } = results;
  if (!at || !machine || !settings || !rounds || !measurements)
    throw new Error(`${file} holds no results of the bench`);
  return { at, machine, settings, rounds, measurements, reports: results.reports ?? [] };
}
