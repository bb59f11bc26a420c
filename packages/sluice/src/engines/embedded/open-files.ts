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
    for (const file of [this.#store, this.#log, this.#lock]) file.assertWhole();
  }

  /** After a commit: what it wrote must stay, too. */
  noteCommit(): void {
    this.#log.noteSize();
  }

  /**
   * Another program may have SQLite empty the log into the database, or pack the database: each needs less of its file then.
   * To be asked outside a transaction; an older SQLite cannot tell, and all cuts are taken for wrong.
   */
  allowOwnCuts(db: DatabaseSync): void {
    if (!this.#store.isCut && !this.#log.isCut) return;
    const log = logOf(db);
    if (log === undefined) return;
    this.#log.takeForWhole(log.frames === 0 ? 0 : logHeaderBytes + log.frames * (frameHeaderBytes + log.pageBytes));
    // An empty log does not say how long the database is: SQLite would believe the file.
    if (log.frames > 0 && log.frames === log.checkpointed) this.#store.takeForWhole(log.pages * log.pageBytes);
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
    const found = statOf(this.#path); // the commit stands, whatever is wrong here: the next one finds it
    if (found === undefined || found instanceof Error) return;
    if (found.size > this.#bytes || found.size >= this.#cutBytesMin) this.#bytes = found.size;
  }

  /** It needs no more than so many bytes. */
  takeForWhole(bytesNeeded: number): void {
    this.#bytes = Math.min(this.#bytes, bytesNeeded);
  }

  assertWhole(): void {
    const { size } = this.look();
    this.#isCut = size < this.#bytes && size < this.#cutBytesMin;
    if (this.#isCut) throw gone(`${this.#path} was cut off from ${this.#bytes} to ${size} bytes`);
    this.#bytes = size;
  }
}

interface Log {
  /** Pages of the database that are in it, and those of them that the database has too. */
  readonly frames: number;
  readonly checkpointed: number;
  /** Of the whole database. */
  readonly pages: number;
  readonly pageBytes: number;
}

const [logHeaderBytes, frameHeaderBytes] = [32, 24];
const DATABASE_SIZE = "SELECT page_count AS pages, page_size AS pageBytes FROM pragma_page_count, pragma_page_size";

/** Before 3.51 SQLite takes NOOP for PASSIVE, which copies what is left of a log that was cut off into the database. */
function canAsk(db: DatabaseSync): boolean {
  const { version } = db.prepare("SELECT sqlite_version() AS version").get() as { readonly version: string };
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 3 || minor >= 51;
}

/** As SQLite believes that it is; undefined when it does not know. */
function logOf(db: DatabaseSync): Log | undefined {
  try {
    if (!canAsk(db)) return undefined;
    const asked = db.prepare("PRAGMA wal_checkpoint(NOOP)").get() as {
      busy: number;
      log: number;
      checkpointed: number;
    };
    const size = db.prepare(DATABASE_SIZE).get() as Pick<Log, "pages" | "pageBytes">;
    return asked.busy === 0 ? { frames: asked.log, checkpointed: asked.checkpointed, ...size } : undefined;
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
