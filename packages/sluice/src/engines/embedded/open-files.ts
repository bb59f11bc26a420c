// The files that this process has open, and whether they are still what their paths lead to. SQLite goes on writing to a
// file that was deleted, moved or replaced, and all of it is gone with the process.
import { statSync, type Stats } from "node:fs";
import { messageOf, SluiceError } from "../../core/errors.ts";
import { logBytesKept } from "./database.ts";
import { lockFileIn, logFileIn, storeFileIn } from "./store-file.ts";

/** Crosses to the threads that read: what they open must be the same files. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

export class OpenFiles {
  readonly #files: readonly OpenFile[];

  /** Of a store that is open, its log too. */
  constructor(folder: string) {
    this.#files = [
      new OpenFile(storeFileIn(folder), Infinity),
      new OpenFile(logFileIn(folder), logBytesKept),
      new OpenFile(lockFileIn(folder), 0), // without it a second process could own the folder
    ];
  }

  get store(): FileIdentity {
    return this.#files[0] as OpenFile;
  }

  /** Errors: `store-unavailable` when one of them is not at its path, or was cut off. */
  assertInPlace(): void {
    for (const file of this.#files) file.assertInPlace();
  }
}

class OpenFile implements FileIdentity {
  readonly device: number;
  readonly inode: number;
  readonly #path: string;
  /** SQLite itself cuts it to no less than this. */
  readonly #cutBytesMin: number;
  #bytes: number;

  constructor(path: string, cutBytesMin: number) {
    this.#path = path;
    this.#cutBytesMin = cutBytesMin;
    const { dev, ino, size } = statSync(path);
    this.device = dev;
    this.inode = ino;
    this.#bytes = size;
  }

  assertInPlace(): void {
    const found = statOf(this.#path);
    if (found instanceof Error) throw gone(`${this.#path} cannot be found: ${messageOf(found)}`);
    if (found === undefined) throw gone(`${this.#path} was deleted or moved`);
    const { dev, ino, size } = found;
    if (ino !== this.inode || dev !== this.device) throw gone(`${this.#path} was replaced by another file`);
    if (size < this.#bytes && size < this.#cutBytesMin)
      throw gone(`${this.#path} was cut off from ${this.#bytes} to ${size} bytes`);
    this.#bytes = size;
  }
}

function statOf(path: string): Stats | Error | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    return error as Error;
  }
}

function gone(what: string): SluiceError {
  const advice = "nothing is stored until it is back; or stop Sluice, restore a backup, and start it again";
  return new SluiceError("store-unavailable", `${what} while Sluice was running: ${advice}`);
}
