// Tells the broker again what it has not confirmed: rows of the outbox whose process died, or met a broker that was out.
// Run by the leader. A pass is a part of each of a few rows, and the next one goes on behind them: however long a row is and
// whatever cannot be told now, each has its turn, and what was confirmed of it is not told again.
import type { Changing, Statement } from "../ledger/connection/database.ts";
import { publishHints, type OutboxRow } from "../ledger/outbox.ts";
import type { Publisher } from "./publisher.ts";
import type { QueueNumbers } from "../ledger/queue-numbers.ts";

/** What lies ahead of the clock was stored before it stepped back. */
const SELECT_UNCONFIRMED: Statement = {
  name: "select-unconfirmed",
  text: `SELECT no::float8, queue, kind, (ids[1:$3::int])::text[] AS ids, cardinality(ids) > $3::int AS is_longer
    FROM sluice.outbox
    WHERE stored_at NOT BETWEEN clock_timestamp() - make_interval(secs => $1 / 1000.0) AND clock_timestamp()
      AND no > $4::bigint AND queue <> ALL ($5::smallint[])
    ORDER BY no LIMIT $2`,
};
const CLEAR: Statement = { name: "clear-relayed", text: "DELETE FROM sluice.outbox WHERE no = ANY ($1::bigint[])" };
/** By the last id and not by their number: another leader may have cut off as many meanwhile. */
const CUT: Statement = {
  name: "cut-relayed",
  text: `UPDATE sluice.outbox o SET ids = o.ids[array_position(o.ids, i.last) + 1:]
    FROM unnest($1::bigint[], $2::uuid[]) AS i (no, last) WHERE o.no = i.no AND i.last = ANY (o.ids)`,
};
const rowsMax = 100;
const idsOfRowMax = 500;
/** Of one pass: it leaves most of what may be under way to what is accepted meanwhile. */
const hintsMax = 1_000;
const restMsMin = 500;
const restMsMax = 10_000;

export interface RelayOptions {
  readonly connection: Changing;
  readonly publisher: Publisher;
  readonly queues: QueueNumbers;
  readonly hintIdsMax: (queue: string) => number;
  /** Whoever committed a row has so long to tell of it. */
  readonly ageMs: number;
}

interface Row extends OutboxRow {
  /** Whether it has more ids than these. */
  readonly is_longer: boolean;
}

interface Told {
  readonly row: Row;
  /** How many of its ids, from the first on, the broker has confirmed. */
  readonly count: number;
}

interface Rest {
  readonly ms: number;
  readonly until: number;
}

export class Relay {
  readonly #options: RelayOptions;
  /** The last row of the pass before. */
  #after = 0;
  /** Queues, by number, of which the broker took nothing: they are let alone for longer each time. */
  readonly #rests = new Map<number, Rest>();

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** One pass; whether there is more that would get through. */
  async pass(): Promise<boolean> {
    const { connection, publisher, ageMs } = this.#options;
    if (!publisher.isOpen) return false;
    const resting = [...this.#rests].filter(([, { until }]) => until > performance.now()).map(([queue]) => queue);
    const values = [ageMs, rowsMax, idsOfRowMax, this.#after, resting];
    const found = await connection.rows<Row & object>(SELECT_UNCONFIRMED, values);
    const rows = this.#taken(found);
    const isEnd = rows.length === found.length && found.length < rowsMax;
    this.#after = isEnd ? 0 : (rows.at(-1)?.no ?? 0);
    const told = await Promise.all(rows.map(async (row) => ({ row, count: await this.#tell(row) })));
    await this.#note(told);
    const hasMore = !isEnd || rows.some(({ is_longer }) => is_longer);
    return hasMore && told.some(({ count }) => count > 0);
  }

  #taken(rows: readonly Row[]): readonly Row[] {
    const taken: Row[] = [];
    let hints = 0;
    for (const row of rows) {
      hints += this.#hintsOf(row);
      if (hints > hintsMax && taken.length > 0) break;
      taken.push(row);
    }
    return taken;
  }

  #hintsOf({ queue, kind, ids }: Row): number {
    const name = this.#options.queues.nameOf(queue);
    return kind === "suspect" || name === undefined
      ? ids.length
      : Math.ceil(ids.length / this.#options.hintIdsMax(name));
  }

  async #tell({ queue, kind, ids }: Row): Promise<number> {
    const { publisher, queues, hintIdsMax } = this.#options;
    const name = queues.nameOf(queue);
    return name === undefined ? 0 : publishHints(publisher, { queue: name, kind, ids, idsMax: hintIdsMax(name) });
  }

  async #note(told: readonly Told[]): Promise<void> {
    const { connection } = this.#options;
    for (const [queue, own] of Map.groupBy(told, ({ row }) => row.queue)) this.#rest(queue, own);
    const isDone = ({ row, count }: Told): boolean => count === row.ids.length && !row.is_longer;
    const done = told.filter(isDone);
    const partly = told.filter((one) => one.count > 0 && !isDone(one));
    if (done.length === 0 && partly.length === 0) return;
    const last = partly.map(({ row, count }) => row.ids[count - 1]);
    await connection.transaction(async (inside) => {
      await inside.rows(CLEAR, [done.map(({ row }) => row.no)]);
      await inside.rows(CUT, [partly.map(({ row }) => row.no), last]);
    });
  }

  #rest(queue: number, told: readonly Told[]): void {
    const before = this.#rests.get(queue);
    this.#rests.delete(queue);
    if (told.some(({ count }) => count > 0)) return;
    const ms = before === undefined ? restMsMin : Math.min(restMsMax, 2 * before.ms);
    this.#rests.set(queue, { ms, until: performance.now() + ms });
  }
}
