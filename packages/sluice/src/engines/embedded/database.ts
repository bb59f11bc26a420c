// Opens the store's file with the settings that I1 rests on, and reads each one back (I9).
import { DatabaseSync } from "node:sqlite";
import { SluiceError } from "../../core/errors.ts";

const needed = { journal_mode: "wal", synchronous: 2 } as const;
const writerCacheKib = 8_192;
const readerCacheKib = 2_048;
/** Pages in the write-ahead log before a commit also carries them into the database: 16 MiB. */
const checkpointPages = 4_096;

export function openForWriting(file: string): DatabaseSync {
  const db = new DatabaseSync(file);
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -${writerCacheKib};
    PRAGMA wal_autocheckpoint = ${checkpointPages};
    PRAGMA journal_size_limit = ${64 * 1024 * 1024};
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
