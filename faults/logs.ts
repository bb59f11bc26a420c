// The logs of service B: a line for each time its handler began, and one for each effect. No uniqueness anywhere.
import { openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { readLines } from "./lines.ts";

export interface LogLine {
  /** The request's id. */
  readonly id: string;
  /** The hash of the body that B was given. */
  readonly sha256: string;
  /** In nanoseconds by the machine's monotonic clock, written with 20 digits. */
  readonly at: string;
}

export type LogName = "starts" | "effects";

/** Written by the system call itself: what B logged outlives B's process. */
export function appendLog(folder: string, name: LogName, { id, sha256 }: Omit<LogLine, "at">): void {
  const path = fileOf(folder, name);
  const file = files.get(path) ?? openSync(path, "a");
  files.set(path, file);
  writeSync(file, `${JSON.stringify({ id, sha256, at: now() } satisfies LogLine)}\n`);
}

/** Open until the process ends. */
const files = new Map<string, number>();

export function readLog(folder: string, name: LogName): Iterable<LogLine> {
  return readLines(fileOf(folder, name));
}

/** How many lines it has, without reading them: all are of one length. */
export function countLog(folder: string, name: LogName): number {
  const lineLength = JSON.stringify({ id: "-".repeat(36), sha256: "-".repeat(64), at: now() }).length + 1;
  return (statSync(fileOf(folder, name), { throwIfNoEntry: false })?.size ?? 0) / lineLength;
}

function now(): string {
  return process.hrtime.bigint().toString().padStart(20, "0");
}

function fileOf(folder: string, name: LogName): string {
  return join(folder, `${name}.ndjson`);
}
