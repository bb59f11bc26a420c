// Opens the store's file with the settings that I1 rests on, and reads each one back (I9).
import { DatabaseSync } from "node:sqlite";
import { messageOf, SluiceError, type ErrorCode } from "../../core/errors.ts";
import { makePrivate } from "./store-file.ts";

const needed = { journal_mode: "wal", synchronous: 2 } as const;
const writerCacheKib = 8_192;
const readerCacheKib = 2_048;
/** Pages in the write-ahead log before a commit also carries them into the database: 16 MiB. */
const checkpointPages = 4_096;
/** Above it SQLite cuts the log off, down to it. */
export const logBytesKept = 64 * 1024 * 1024;

export function openForWriting(file: string): DatabaseSync {
  makePrivate(file);
  const db = new DatabaseSync(file);
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -${writerCacheKib};
    PRAGMA wal_autocheckpoint = ${checkpointPages};
    PRAGMA journal_size_limit = ${logBytesKept};
    PRAGMA busy_timeout = 5000;
  `);
  for (const [setting, value] of Object.entries(needed)) {
    const found = db.prepare(`PRAGMA ${setting}`).get()?.[setting];
    if (found !== value) {
      db.close();
      throw new SluiceError("unsafe-store", `${file}: ${setting} must be ${value}, got ${String(found)}`);
    }
  }
  return db;
}

export function openForReading(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { readOnly: true });
  db.exec(`PRAGMA cache_size = -${readerCacheKib}; PRAGMA busy_timeout = 5000;`);
  return db;
}

/** What the disk or the file is to blame for. */
export interface StoreProblem {
  readonly code: ErrorCode;
  readonly message: string;
  /** It does not go away by itself: the file is damaged. */
  readonly isLasting: boolean;
}

const full = 13;
/** No room for the index of the log. */
const indexFull = 10 | (19 << 8);
const fullErrnos: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);
const damages: ReadonlySet<number> = new Set([11, 26]); // corrupt, not a database
const troubles: ReadonlySet<number> = new Set([5, 6, 8, 10, full, 14]); // busy, locked, readonly, io, full, cannot open

/** Undefined for anything else that is thrown: a defect. */
export function storeProblemOf(error: unknown, db: DatabaseSync | string): StoreProblem | undefined {
  if (error instanceof SluiceError)
    return error.code === "store-unavailable"
      ? { code: error.code, message: error.message, isLasting: false }
      : undefined;
  const code = codeOf(error);
  const isLasting = damages.has(code);
  if (!isLasting && !troubles.has(code)) return undefined;
  const file = typeof db === "string" ? db : db.location();
  const advice = isLasting ? ": the file is damaged. Stop Sluice, restore a backup, and start it again" : "";
  return {
    code: code === full ? "disk-full" : "store-unavailable",
    message: `${file}: ${messageOf(error)}${advice}`,
    isLasting,
  };
}

/** SQLite's own, without its details; full as well where it was the system that had no room. */
function codeOf(error: unknown): number {
  if (!(error instanceof Error)) return Number.NaN;
  if ("errcode" in error) return error.errcode === indexFull ? full : Number(error.errcode) & 0xff;
  return "code" in error && fullErrnos.has(String(error.code)) ? full : Number.NaN;
}
