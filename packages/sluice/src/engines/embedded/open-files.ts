// The files that this process has open, and whether they are still what their paths lead to. SQLite goes on writing to a
// file that was deleted, moved or replaced, and all of it is gone with the process.
import { statSync, type Stats } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { messageOf, SluiceError } from "../../core/errors.ts";
import { logBytesKept } from "./database.ts";
import { lockFileIn, logFileIn, storeFileIn } from "./store-file.ts";

/** Crosses to the threads that read: what they open must be the same files. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

export class OpenFiles {
  readonly #store: OpenFile;
  readonly #log: OpenFile;
  readonly #lock: OpenFile;

  /** Of a store that is open, its log too. */
  constructor(folder: string) {
    this.#store = new OpenFile(storeFileIn(folder), Infinity);
    this.#log = new OpenFile(logFileIn(folder), logBytesKept);
    this.#lock = new OpenFile(lockFileIn(folder), 0); // without it a second process could own the folder
  }

  get store(): FileIdentity {
    return this.#store;
  }

  /** Errors: `store-unavailable` when one of them is not at its path. */
  assertInPlace(): void {
    for (const file of [this.#store, this.#log, this.#lock]) file.look();
  }

  /** For the one that writes them. Errors: as above, and when one was cut off. */
  assertWhole(): void {
    for (const file of [this.#store, this.#log, this.#lock]) file.assertWhole(); // in this order: see allowEmptiedLog
  }

  /** After a commit: what it wrote must stay, too. */
  noteCommit(): void {
    this.#log.noteSize();
  }

  /**
   * Another program may have SQLite empty the log into the database: then nothing of it is missing. The database itself must
   * be whole, as this copies what is left in the log.
   */
  allowEmptiedLog(db: DatabaseSync): void {
    if (this.#log.isCut && framesInLog(db) === 0) this.#log.noteSize();
  }
}

class OpenFile implements FileIdentity {
  readonly device: number;
  readonly inode: number;
  readonly #path: string;
  /** SQLite cuts it to no less than this by itself. */
  readonly #cutBytesMin: number;
  #bytes: number;
  #isCut = false;

  constructor(path: string, cutBytesMin: number) {
    this.#path = path;
    this.#cutBytesMin = cutBytesMin;
    const { dev, ino, size } = statSync(path);
    this.device = dev;
    this.inode = ino;
    this.#bytes = size;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  look(): Stats {
    const found = statOf(this.#path);
    if (found instanceof Error) throw gone(`${this.#path} cannot be found: ${messageOf(found)}`);
    if (found === undefined) throw gone(`${this.#path} was deleted or moved`);
    if (found.ino !== this.inode || found.dev !== this.device) throw gone(`${this.#path} was replaced by another file`);
    return found;
  }

  noteSize(): void {
    this.#isCut = false;
    const found = statOf(this.#path); // the commit stands, whatever is wrong here: the next one finds it
    if (found !== undefined && !(found instanceof Error)) this.#bytes = found.size;
  }

  assertWhole(): void {
    const { size } = this.look();
    this.#isCut = size < this.#bytes && size < this.#cutBytesMin;
    if (this.#isCut) throw gone(`${this.#path} was cut off from ${this.#bytes} to ${size} bytes`);
    this.#bytes = size;
  }
}

/** As SQLite believes; undefined when the log is not what it believes. */
function framesInLog(db: DatabaseSync): unknown {
  try {
    return db.prepare("PRAGMA wal_checkpoint(PASSIVE)").get()?.["log"];
  } catch {
    return undefined;
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
