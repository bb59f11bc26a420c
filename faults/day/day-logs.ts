// The logs of the day's service B: a line of one length for each time its handler began, and one for each effect. No
// uniqueness anywhere.
import { openSync, statSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

export type DayLogName = "starts" | "effects";

const idLength = 36;
/** Half of a SHA-256 is plenty to tell two million bodies apart. */
export const bodyHashLength = 32;
const lineLength = idLength + 1 + bodyHashLength + 1;
const linesAtOnce = 16_384;

/** Each line is one system call: what B logged outlives B's process, and processes may share the file. */
export function openDayLog(folder: string, name: DayLogName): (id: string, bodyHash: string) => void {
  const file = openSync(fileOf(folder, name), "a");
  return (id, bodyHash) => {
    writeSync(file, `${id} ${bodyHash.slice(0, bodyHashLength)}\n`);
  };
}

/** How many lines it has, without reading them. */
export function countDayLog(folder: string, name: DayLogName): number {
  return (statSync(fileOf(folder, name), { throwIfNoEntry: false })?.size ?? 0) / lineLength;
}

/** Hands over the lines one after the other. */
export async function readDayLog(
  folder: string,
  name: DayLogName,
  heed: (id: string, bodyHash: string) => void,
): Promise<void> {
  await using file = await open(fileOf(folder, name), "a+");
  const chunk = Buffer.alloc(linesAtOnce * lineLength);
  for (let position = 0; ;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
    const text = chunk.toString("latin1", 0, bytesRead);
    for (let at = 0; at < bytesRead; at += lineLength) {
      if (text[at + lineLength - 1] !== "\n") throw new Error(`the log ${name} has a broken line at ${position + at}`);
      heed(text.slice(at, at + idLength), text.slice(at + idLength + 1, at + lineLength - 1));
    }
    position += bytesRead;
    if (bytesRead < chunk.length) return;
  }
}

function fileOf(folder: string, name: DayLogName): string {
  return join(folder, `${name}.log`);
}
