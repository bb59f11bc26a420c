// What has to be told to the broker: rows that are committed together with what they tell of, and cleared once the
// broker has confirmed. A row that stays is told again by the relay; a hint told twice does no harm.
import type { RequestId } from "../../../core/request-id.ts";
import type { Connected, Statement } from "./connection/database.ts";
import type { Publisher } from "../carriers/publisher.ts";
import type { QueueNumbers } from "./queue-numbers.ts";
import { locally } from "./connection/settings-check.ts";
import type { HintKind } from "../carriers/topology.ts";

/** A committed row. */
export interface OutboxRow {
  readonly no: number;
  readonly queue: number;
  readonly kind: HintKind;
  readonly ids: readonly RequestId[];
}

const CLEAR: Statement = {
  name: "clear-outbox",
  text: `WITH ${locally} DELETE FROM sluice.outbox USING locally WHERE no = ANY ($1::bigint[])`,
};
/** Cleared rows cost a commit: they wait for company, or for an accept that takes them along. */
const clearAfterMs = 20;

export interface OutboxOptions {
  readonly connection: Connected;
  readonly publisher: Publisher;
  readonly queues: QueueNumbers;
  /** How many requests of a queue one hint may hold. */
  readonly hintIdsMax: (queue: string) => number;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #telling = new Set<Promise<void>>();
  #confirmed: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #clearing: Promise<void> = Promise.resolve();

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Tells the broker of rows that this process committed, without waiting for it. */
  tell(rows: readonly OutboxRow[]): void {
    for (const row of rows) {
      const telling = this.#tellOne(row).finally(() => this.#telling.delete(telling));
      this.#telling.add(telling);
    }
  }

  /** Resolves once the broker has been told of all rows so far, or cannot be. */
  async told(): Promise<void> {
    await Promise.all(this.#telling);
  }

  /** Rows that the broker has confirmed, for a statement that clears them on its way. */
  takeConfirmed(): readonly number[] {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const confirmed = this.#confirmed;
    this.#confirmed = [];
    return confirmed;
  }

  /** The statement failed: they are cleared another time. */
  giveBack(confirmed: readonly number[]): void {
    for (const no of confirmed) this.#clear(no);
  }

  /** Waits for the confirms under way and clears what they allow. */
  async close(): Promise<void> {
    await Promise.all(this.#telling);
    clearTimeout(this.#timer);
    await this.#flush();
    await this.#clearing;
  }

  async #tellOne({ no, queue, kind, ids }: OutboxRow): Promise<void> {
    const name = this.#options.queues.nameOf(queue);
    if (name === undefined) return; // made by a newer process: the relay knows it soon
    const confirmed = await publishHints(this.#options.publisher, {
      queue: name,
      kind,
      ids,
      idsMax: this.#options.hintIdsMax(name),
    });
    if (confirmed < ids.length) return; // the relay's
    this.#clear(no);
  }

  #clear(no: number): void {
    this.#confirmed.push(no);
    this.#timer ??= setTimeout(() => {
      this.#clearing = this.#flush();
    }, clearAfterMs);
  }

  async #flush(): Promise<void> {
    const confirmed = this.takeConfirmed();
    if (confirmed.length === 0) return;
    // What cannot be cleared now is told again by the relay and cleared then.
    await this.#options.connection.rows(CLEAR, [confirmed]).catch(() => undefined);
  }
}

export interface PublishedHints {
  readonly queue: string;
  readonly kind: HintKind;
  readonly ids: readonly RequestId[];
  readonly idsMax: number;
}

/** Hints of one row that may be under way at a time: the rest of it waits until RabbitMQ has confirmed these. */
const windowMax = 500;

/**
 * How many of the ids, from the first on, the broker has confirmed. What comes after the first hint that it does not take
 * is not published, but for what was under way. A suspect runs alone, so its hint holds nothing else.
 */
export async function publishHints(
  publisher: Publisher,
  { queue, kind, ids, idsMax }: PublishedHints,
): Promise<number> {
  const size = kind === "suspect" ? 1 : idsMax;
  for (let from = 0; from < ids.length; from += windowMax * size) {
    const window: Promise<boolean>[] = [];
    for (let at = from; at < ids.length && window.length < windowMax; at += size)
      window.push(publisher.publish({ queue, kind, ids: ids.slice(at, at + size) }));
    const refused = (await Promise.all(window)).indexOf(false);
    if (refused !== -1) return from + refused * size;
  }
  return ids.length;
}
