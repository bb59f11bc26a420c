// Whether calls needed API keys: a store that is restored without its keys must not open to everybody.
import type { DatabaseSync } from "node:sqlite";

const SELECT_KEYED = "SELECT value FROM meta WHERE name = 'keyed'";
const NOTE_KEYED =
  "INSERT INTO meta (name, value) VALUES ('keyed', ?) ON CONFLICT DO UPDATE SET value = excluded.value";

export function wasKeyed(db: DatabaseSync): boolean {
  return db.prepare(SELECT_KEYED).get()?.["value"] === 1;
}

export function noteKeyed(db: DatabaseSync, isKeyed: boolean): void {
  db.prepare(NOTE_KEYED).run(Number(isKeyed));
}
