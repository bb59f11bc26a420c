// Tells the broker again what it has not confirmed: rows of the outbox whose process died, or met a broker that was out.
// Run by the leader.
import type { RequestId } from "../../core/request-id.ts";
import type { Connected, Statement } from "./database.ts";
import { publishHints, type OutboxRow } from "./outbox.ts";
import type { Publisher } from "./publisher.ts";
import type { QueueNumbers } from "./queue-numbers.ts";

/** What lies ahead of the clock was stored before it stepped back. */
const SELECT_UNCONFIRMED: Statement = {
  name: "select-unconfirmed",
  text: `SELECT no::float8, queue, kind, ids::text[] FROM sluice.outbox
    WHERE stored_at NOT BETWEEN clock_timestamp() - make_interval(secs => $1 / 1000.0) AND clock_timestamp()
    ORDER BY no LIMIT $2`,
};
const CLEAR: Statement = { name: "clear-relayed", text: "DELETE FROM sluice.outbox WHERE no = ANY ($1::bigint[])" };
const rowsMax = 200;

export interface RelayOptions {
  readonly connection: Connected;
  readonly publisher: Publisher;
  readonly queues: QueueNumbers;
  readonly hintIdsMax: (queue: string) => number;
  /** Whoever committed a row has so long to tell of it. */
  readonly ageMs: number;
}

/** One round; gives back whether more rows may be waiting for one that would get through. */
export async function relay(options: RelayOptions): Promise<boolean> {
  const { connection, ageMs } = options;
  const rows = await connection.rows<{ no: number; queue: number; kind: OutboxRow["kind"]; ids: RequestId[] }>(
    SELECT_UNCONFIRMED,
    [ageMs, rowsMax],
  );
  const told = await Promise.all(rows.map((row) => tell(row, options)));
  const confirmed = rows.filter((_, index) => told[index]).map(({ no }) => no);
  if (confirmed.length > 0) await connection.rows(CLEAR, [confirmed]);
  return confirmed.length === rowsMax;
}

async function tell(
  { queue, kind, ids }: OutboxRow,
  { publisher, queues, hintIdsMax }: RelayOptions,
): Promise<boolean> {
  const name = queues.nameOf(queue);
  return name !== undefined && (await publishHints(publisher, { queue: name, kind, ids, idsMax: hintIdsMax(name) }));
}
