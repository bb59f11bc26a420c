// The activity log in the ledger: the newest entries, each with the number that it was kept under.
import {
  activityMax,
  keptActivityOf,
  type Activity,
  type ActivityAsk,
  type ActivityRow,
  type KeptActivity,
} from "../../../core/activity.ts";
import type { Connected, Statement } from "./connection/database.ts";

const NOTE: Statement = {
  name: "note-activity",
  text: `WITH noted AS (
      INSERT INTO sluice.activity (at, what, about, requests, key, sender, address)
      SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[])
      ON CONFLICT DO NOTHING RETURNING no
    )
    DELETE FROM sluice.activity WHERE no <= (SELECT max(no) FROM noted) - ${activityMax}`,
};
const LIST: Statement = {
  name: "list-activity",
  text: `SELECT no::float8 AS no, at::float8 AS at, what, about, requests::float8 AS requests, key, sender, address
    FROM sluice.activity WHERE no < $1::bigint ORDER BY no DESC LIMIT $2::int`,
};

export async function noteActivity(db: Connected, activities: readonly Activity[]): Promise<void> {
  const column = (of: (one: Activity) => unknown): readonly unknown[] => activities.map((one) => of(one) ?? null);
  await db.rows(NOTE, [
    column(({ at }) => Math.floor(at)),
    column(({ what }) => what),
    column(({ about }) => about),
    column(({ requests }) => requests),
    column(({ key }) => key),
    column(({ sender }) => sender),
    column(({ address }) => address),
  ]);
}

export async function listActivity(
  db: Connected,
  { limit, before = Number.MAX_SAFE_INTEGER }: ActivityAsk,
): Promise<readonly KeptActivity[]> {
  return (await db.rows<ActivityRow>(LIST, [before, limit])).map(keptActivityOf);
}
