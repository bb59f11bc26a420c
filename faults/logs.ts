// The logs of service B: a line for each time its handler began, and one for each effect. No uniqueness anywhere.
import { existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";

export interface LogLine {
  /** The request's id. */
  readonly id: string;
  /** The hash of the body that B was given. */
  readonly sha256: string;
}

export type LogName = "starts" | "effects";

/** Written by the system call itself: what B logged outlives B's process. */
export function appendLog(folder: string, name: LogName, line: LogLine): void {
  const path = fileOf(folder, name);
  const file = files.get(path) ?? openSync(path, "a");
  files.set(path, file);
  writeSync(file, `${JSON.stringify(line)}\n`);
}

/** Open until the process ends. */
const files = new Map<string, number>();

export function readLog(folder: string, name: LogName): readonly LogLine[] {
  const file = fileOf(folder, name);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogLine);
}

function fileOf(folder: string, name: LogName): string {
  return join(folder, `${name}.ndjson`);
}
