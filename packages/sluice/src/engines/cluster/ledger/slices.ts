// Slices of ids: what looks at every row of a day, or of the whole ledger, does so slice by slice, so that no statement
// takes longer than a connection waits for one.
import type { Reading, Statement } from "./connection/database.ts";
import type { IdBound } from "./state.ts";

const SLICE_END: Statement = {
  name: "slice-end",
  text: `SELECT id FROM (
      SELECT id, row_number() OVER w AS no, sum(bytes) OVER w - bytes AS bytes_before FROM (
        SELECT id, bytes FROM sluice.requests WHERE id >= $1::uuid AND id < $2::uuid ORDER BY id LIMIT $3::int + 1
      ) r WINDOW w AS (ORDER BY id)
    ) s WHERE no > $3::int OR bytes_before >= $4::bigint ORDER BY id LIMIT 1`,
};
/** Few enough that a statement over them ends within seconds on a machine that is busy, and with nothing in memory yet. */
const sliceRowsMax = 50_000;
/** An audit reads their bodies. */
const sliceBytesMax = 256 * 1024 * 1024;

export interface Slice {
  readonly from: IdBound;
  readonly before: IdBound;
}

/** Of the ids between the bounds: slices without a gap, each with so many requests, and bytes beside the last one's, at most. */
export async function* slicesOf(db: Reading, { from, before }: Slice, rows = sliceRowsMax): AsyncGenerator<Slice> {
  for (let start = from; start !== before;) {
    const [next] = await db.rows<{ id: IdBound }>(SLICE_END, [start, before, rows, sliceBytesMax]);
    const end = next?.id ?? before;
    yield { from: start, before: end };
    start = end;
  }
}
