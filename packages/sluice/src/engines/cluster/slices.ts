// Slices of ids: what looks at every row of a day, or of the whole ledger, does so slice by slice, so that no statement
// takes longer than a connection waits for one.
import type { Reading, Statement } from "./database.ts";
import type { IdBound } from "./state.ts";

const SLICE_END: Statement = {
  name: "slice-end",
  text: "SELECT id FROM sluice.requests WHERE id >= $1::uuid AND id < $2::uuid ORDER BY id OFFSET $3::int LIMIT 1",
};
/** Few enough that a statement over them ends within seconds on a machine that is busy, and with nothing in memory yet. */
const sliceRowsMax = 50_000;

export interface Slice {
  readonly from: IdBound;
  readonly before: IdBound;
}

/** Of the ids between the bounds: slices without a gap, each with so many requests at most. */
export async function* slicesOf(
  db: Reading,
  { from, before }: Slice,
  rows = sliceRowsMax,
): AsyncGenerator<Slice> {
  for (let start = from; start !== before;) {
    const [next] = await db.rows<{ id: IdBound }>(SLICE_END, [start, before, rows]);
    const end = next?.id ?? before;
    yield { from: start, before: end };
    start = end;
  }
}
