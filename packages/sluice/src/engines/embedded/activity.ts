// The activity log in the store: the newest entries, each with the number that it was kept under.
import type { DatabaseSync } from "node:sqlite";
import {
  activityMax,
  keptActivityOf,
  type Activity,
  type ActivityAsk,
  type ActivityRow,
  type KeptActivity,
} from "../../core/activity.ts";

const INSERT = `
  INSERT INTO activity (at, what, about, requests, key, sender, address) VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO NOTHING`;
const TRIM = `DELETE FROM activity WHERE no <= (SELECT max(no) FROM activity) - ${activityMax}`;
const SELECT = `
  SELECT no, at, what, about, requests, key, sender, address FROM activity WHERE no < ? ORDER BY no DESC LIMIT ?`;

export function prepareNoteActivity(db: DatabaseSync): (activities: readonly Activity[]) => void {
  const insert = db.prepare(INSERT);
  const trim = db.prepare(TRIM);
  return (activities) => {
    for (const { at, what, about, requests, key, sender, address } of activities)
      insert.run(Math.floor(at), what, about, requests ?? null, key ?? null, sender ?? null, address ?? null);
    trim.run();
  };
}

export function prepareListActivity(db: DatabaseSync): (ask: ActivityAsk) => readonly KeptActivity[] {
  const select = db.prepare(SELECT);
  return ({ limit, before = Number.MAX_SAFE_INTEGER }) =>
    (select.all(before, limit) as unknown as ActivityRow[]).map(keptActivityOf);
}
