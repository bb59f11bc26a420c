import type { DatabaseSync } from "node:sqlite";
import { openForReading, openForWriting } from "./database.ts";
import { examine, refuseOlder, refuseOtherUse } from "./examine.ts";
import { blankCookie } from "./mark.ts";
import { migrate } from "./migrate.ts";
import { storeFileIn } from "./store-file.ts";

/**
 * Opens the store of a folder that this process owns, and brings its schema up to date. Errors: `store-damaged` when it is
 * not whole, or older than its mark says, `bad-config` when it is a spool and is to be none, or the other way round, unless
 * it may be either; then nothing was changed. `schema-newer`, `unsafe-store`.
 */
export function openStore(folder: string, isSpool: boolean | undefined): DatabaseSync {
  const file = storeFileIn(folder);
  if (isSpool !== undefined) refuseOtherUse(folder, isSpool);
  const mark = examine(folder);
  if (mark !== undefined && mark.position > 0) {
    using found = openForReading(file); // which, when it is closed, leaves the log as it is
    refuseOlder(found, folder, mark);
  }
  const db = openForWriting(file);
  try {
    blankCookie(folder, mark);
    migrate(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
