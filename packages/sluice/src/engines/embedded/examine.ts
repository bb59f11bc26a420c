// Looks at a data folder before SQLite does: what is missing, cut off, mixed or older than it was is refused with a sentence.
// SQLite would begin an empty database, or lay one database's log over another, and say nothing.
import { randomInt } from "node:crypto";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { SluiceError } from "../../core/errors.ts";
import { openForReading } from "./database.ts";
import { readMark, type MarkContent } from "./mark.ts";
import { assertRegularFile, logFileIn, markFileIn, storeFileIn } from "./store-file.ts";

const SELECT_IDENTITY = "SELECT value FROM meta WHERE name = 'identity'";
/** A number of its own, by which its mark and a cluster know the folder again. */
const SET_IDENTITY = "INSERT INTO meta (name, value) VALUES ('identity', ?) ON CONFLICT DO NOTHING";
const SET_SPOOL = "INSERT INTO meta (name, value) VALUES ('spool', 1) ON CONFLICT DO NOTHING";
const SELECT_USE = `
  SELECT EXISTS (SELECT 1 FROM meta WHERE name = 'identity') OR EXISTS (SELECT 1 FROM requests) AS isUsed,
    EXISTS (SELECT 1 FROM meta WHERE name = 'spool') AS isSpool`;
const SELECT_POSITION = "SELECT sum(changes) AS position FROM queues";
const magic = "SQLite format 3\0";
const headerBytes = 100;
/** From this version of the schema on a store knows how far it is. */
const markedSchema = 3;

interface Header {
  readonly isDatabase: boolean;
  readonly bytesNeeded: number;
  readonly cookie: number;
}

/** What the mark says of the store that is about to be opened; undefined without one. Errors: `store-damaged`. */
export function examine(folder: string): MarkContent | undefined {
  const [file, log] = [storeFileIn(folder), logFileIn(folder)];
  for (const path of [file, log, markFileIn(folder)]) assertRegularFile(path);
  const mark = readMark(folder);
  const logBytes = sizeOf(log) ?? 0;
  const fileBytes = sizeOf(file);
  if (fileBytes === undefined || fileBytes === 0) {
    const what = fileBytes === 0 ? "is empty" : "is missing";
    if ((mark?.position ?? 0) > 0) throw behind(folder, what, mark?.position ?? 0);
    if (logBytes > 0) throw damaged(`${file} ${what}, and its log ${log} is there: put the database back`);
    return mark;
  }
  const { isDatabase, bytesNeeded, cookie } = readHeader(file);
  if (!isDatabase) throw damaged(`${file} is not an SQLite database: its first bytes are something else. ${restore}`);
  if (logBytes === 0 && fileBytes < bytesNeeded)
    throw damaged(`${file} was cut off: it has ${fileBytes} bytes, and needs ${bytesNeeded}. ${restore}`);
  if (logBytes === 0) return mark;
  if (mark !== undefined && isOther(mark.cookie, cookie)) {
    const together = `If nobody replaced the database, it and its log belong together: delete ${markFileIn(folder)}`;
    const restored = `If it is a backup that was put beside an older log, delete ${log} and ${file}-shm as well`;
    throw damaged(
      `${file} is not the database that its log ${log} was written for. Copy the folder first. ${together}. ${restored}`,
    );
  }
  return mark;
}

/** Errors: `store-damaged` when the store is another one, or is not as far as its mark says. */
export function refuseOlder(db: DatabaseSync, folder: string, mark: MarkContent): void {
  const schema = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
  const { store, position } = schema < markedSchema ? { store: 0, position: 0 } : whereIs(db);
  if (store !== mark.store) throw behind(folder, "is another store", mark.position);
  if (position < mark.position) throw behind(folder, `is at change ${position}`, mark.position);
}

/** In one transaction: a store that has it is marked as a spool or is none. */
export function setIdentity(db: DatabaseSync, isSpool: boolean): void {
  const { changes } = db.prepare(SET_IDENTITY).run(randomInt(1, 2 ** 48 - 1));
  if (changes > 0 && isSpool) db.prepare(SET_SPOOL).run();
}

/**
 * A spool hands its requests on and is emptied: of a data folder it would do all again, and delete the results. Errors:
 * `bad-config`. What cannot be read, or was never used, is neither.
 */
export function refuseOtherUse(folder: string, isSpool: boolean): void {
  const file = storeFileIn(folder);
  if (sizeOf(file) === undefined) return;
  let use: { readonly isUsed: number; readonly isSpool: number };
  try {
    using db = openForReading(file);
    use = db.prepare(SELECT_USE).get() as typeof use;
  } catch {
    return;
  }
  if (use.isUsed === 0 || (use.isSpool === 1) === isSpool) return;
  const what = isSpool
    ? `${folder} is a data folder of sluice up: a spool needs a folder of its own. To hand its requests to a cluster, use sluice move`
    : `${folder} is the spool of a gateway: start sluice gateway --spool with it, which forwards what it holds`;
  throw new SluiceError("bad-config", what);
}

/** Which store it is, and how far: the changes of all queues' rows. */
export function whereIs(db: DatabaseSync): Pick<MarkContent, "store" | "position"> {
  const store = (db.prepare(SELECT_IDENTITY).get()?.["value"] as number | undefined) ?? 0;
  return { store, position: Number(db.prepare(SELECT_POSITION).get()?.["position"]) };
}

const restore = "Restore a backup into an empty folder";

function behind(folder: string, what: string, position: number): SluiceError {
  const [file, mark] = [storeFileIn(folder), markFileIn(folder)];
  const why = `${file} ${what}, and ${mark} says that it was at change ${position}`;
  const advice = `an older or another database is in its place, or its log ${logFileIn(folder)} is gone. Put the newer files back`;
  return damaged(`${why}: ${advice}. To go on from what is here, and give up what came after it, delete ${mark}`);
}

function damaged(message: string): SluiceError {
  return new SluiceError("store-damaged", message);
}

function isOther(marked: number, found: number): boolean {
  return marked !== 0 && marked !== found;
}

function sizeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.size;
}

/** Read without SQLite, which would lay the log over it. Nobody in this process has it open: closing it drops SQLite's locks. */
function readHeader(file: string): Header {
  const bytes = Buffer.alloc(headerBytes);
  const descriptor = openSync(file, "r");
  try {
    readSync(descriptor, bytes, 0, headerBytes, 0);
  } finally {
    closeSync(descriptor);
  }
  const pageBytes = bytes.readUInt16BE(16) === 1 ? 65_536 : bytes.readUInt16BE(16);
  return {
    isDatabase: bytes.toString("latin1", 0, magic.length) === magic,
    bytesNeeded: pageBytes * bytes.readUInt32BE(28),
    cookie: bytes.readUInt32BE(40),
  };
}
