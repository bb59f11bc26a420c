import type { DatabaseSync } from "node:sqlite";
import { openForWriting } from "./database.ts";
import { examine, refuseOlder } from "./examine.ts";
import { blankCookie } from "./mark.ts";
import { migrate } from "./migrate.ts";
import { storeFileIn } from "./store-file.ts";

/**
 * Opens the store of a folder that this process owns, and brings its schema up to date. Errors: `store-damaged` when it is
 * not whole, or older than its mark says; then nothing was changed. `schema-newer`, `unsafe-store`.
 */
export function openStore(folder: string): DatabaseSync {
  const mark = examine(folder);
  const db = openForWriting(storeFileIn(folder));
  try {
    refuseOlder(db, folder, mark);
    blankCookie(folder, mark);
    migrate(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
