import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { median } from "../statistics.ts";

const pieceBytes = 4 * 2 ** 20;
const pieces = 48;

/** MB a second that the disk of a folder takes in pieces of 4 MiB, each with its fsync: the median piece. */
export function measureDiskMbPerSecond(folder: string): number {
  const file = openSync(join(folder, "disk-rate"), "w");
  const piece = Buffer.alloc(pieceBytes, 1);
  const rates = Array.from({ length: pieces }, () => {
    const startedAt = performance.now();
    writeSync(file, piece);
    fsyncSync(file);
    return pieceBytes / 1e3 / (performance.now() - startedAt);
  });
  closeSync(file);
  return median(rates);
}
