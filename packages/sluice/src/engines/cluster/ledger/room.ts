// The bounds of the queues (I7). What is known of a backlog is as old as a moment and may be too high, never too low by
// more than what other gateways accepted in that moment; before a refusal it is read afresh.
import type { NewRequest } from "../../../core/request.ts";
import type { QueueBounds } from "../../../engine/engine.ts";
import type { Connected, Statement } from "./connection/database.ts";

const SELECT_BACKLOGS: Statement = {
  name: "select-backlogs",
  text: `SELECT q.name, coalesce(sum(t.accepted - t.done - t.dead - t.cancelled), 0)::float8 AS count,
      coalesce(sum(t.backlog_bytes), 0)::float8 AS bytes
    FROM sluice.queues q LEFT JOIN sluice.tallies t ON t.queue = q.no WHERE q.name = ANY ($1::text[]) GROUP BY q.name`,
};
const freshMs = 1_000;

interface Sum {
  count: number;
  bytes: number;
}

interface Known extends Sum {
  readonly readAt: number;
}

export class Room {
  readonly #connection: Connected;
  readonly #bounds: ReadonlyMap<string, QueueBounds>;
  readonly #known = new Map<string, Known>();
  /** Taken by the group that is being resolved. */
  #taken = new Map<string, Sum>();

  constructor(connection: Connected, queues: readonly QueueBounds[]) {
    this.#connection = connection;
    this.#bounds = new Map(queues.map((queue) => [queue.name, queue]));
  }

  /** Before a group: reads what is not known any more. */
  async know(queues: ReadonlySet<string>): Promise<void> {
    const staleAt = performance.now() - freshMs;
    const stale = [...queues].filter((queue) => (this.#known.get(queue)?.readAt ?? 0) <= staleAt);
    if (stale.length > 0) await this.#read(stale);
  }

  begin(): void {
    this.#taken = new Map();
  }

  /** Takes room for all of them or none; gives back the first that has none. */
  take(requests: readonly NewRequest[]): NewRequest | undefined {
    const without = this.#firstWithout(requests);
    if (without === undefined) for (const request of requests) addTo(this.#taken, request);
    return without;
  }

  /** The same, by what the ledger says now. */
  async takeAfresh(requests: readonly NewRequest[]): Promise<NewRequest | undefined> {
    await this.#read([...new Set(requests.map(({ queue }) => queue))]);
    return this.take(requests);
  }

  /** The group is committed. */
  stored(): void {
    for (const [queue, { count, bytes }] of this.#taken) {
      const known = this.#known.get(queue);
      if (known === undefined) continue;
      known.count += count;
      known.bytes += bytes;
    }
    this.begin();
  }

  #firstWithout(requests: readonly NewRequest[]): NewRequest | undefined {
    const added = new Map<string, Sum>();
    return requests.find((request) => {
      const { queue } = request;
      const own = addTo(added, request);
      const bounds = this.#bounds.get(queue);
      if (bounds === undefined) return false;
      const [known, taken] = [this.#known.get(queue), this.#taken.get(queue)];
      const count = (known?.count ?? 0) + (taken?.count ?? 0) + own.count;
      const bytes = (known?.bytes ?? 0) + (taken?.bytes ?? 0) + own.bytes;
      return count > bounds.backlogMax || bytes > bounds.backlogBytesMax;
    });
  }

  async #read(queues: readonly string[]): Promise<void> {
    const rows = await this.#connection.rows<{ name: string; count: number; bytes: number }>(SELECT_BACKLOGS, [queues]);
    const readAt = performance.now();
    for (const { name, count, bytes } of rows) this.#known.set(name, { count, bytes, readAt });
  }
}

function addTo(sums: Map<string, Sum>, { queue, body }: NewRequest): Sum {
  const sum = sums.get(queue) ?? { count: 0, bytes: 0 };
  sums.set(queue, sum);
  sum.count += 1;
  sum.bytes += body.byteLength;
  return sum;
}
