// Reads files that an operator names. Anything can be at the path: a pipe that nobody writes to, a device without an end, a
// folder, a file larger than memory. Only a regular file within its bound is read, and opening never waits.
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from "node:fs";
import { open } from "node:fs/promises";
import { formatSize } from "../core/duration.ts";
import { unusable } from "./refusal.ts";

/** Opening a pipe would otherwise wait for a writer, in a thread that not even the end of the process interrupts. */
const flags = constants.O_RDONLY | constants.O_NONBLOCK;

export interface NamedFile {
  /** For the errors: `"the certificate"`. */
  readonly what: string;
  readonly path: string;
  readonly bytesMax: number;
  /** Throws what else the file breaks. */
  readonly rule?: (found: Stats) => void;
}

/** Errors: `bad-config`, with the reason as its cause. */
export async function readNamedFile({ what, path, bytesMax, rule }: NamedFile): Promise<Buffer> {
  try {
    await using file = await open(path, flags);
    const found = await file.stat();
    assertReadable(found, bytesMax);
    rule?.(found);
    return await file.readFile();
  } catch (cause) {
    throw unusable(what, path, cause);
  }
}

/** As `readNamedFile`, where the start cannot go on without it. */
export function readNamedFileSync({ what, path, bytesMax }: Omit<NamedFile, "rule">): Buffer {
  try {
    const file = openSync(path, flags);
    try {
      assertReadable(fstatSync(file), bytesMax);
      return readFileSync(file);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw unusable(what, path, cause);
  }
}

/** Throws the rule that a file breaks. */
export function assertReadable(found: Stats, bytesMax: number): void {
  if (!found.isFile()) throw new Error(`it must be a file, and is ${kindOf(found)}`);
  if (found.size > bytesMax) throw new Error(`it may have up to ${formatSize(bytesMax)}, and has ${found.size} bytes`);
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return "a folder";
  if (found.isFIFO()) return "a pipe";
  if (found.isSocket()) return "a socket";
  return "a device";
}
