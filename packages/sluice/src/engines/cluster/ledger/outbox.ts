// The hints of what was committed: rows that are committed together with what they tell of. Each is carried to the workers by
// RabbitMQ, and cleared once that has it for certain, or stays and is handed out from here. A hint that is told twice does no
// harm.
import type { Carrier, OutboxRow } from "../carriers/carrier.ts";
import type { Connected, Statement } from "./connection/database.ts";
import { locally } from "./connection/settings-check.ts";

const CLEAR: Statement = {
  name: "clear-outbox",
  text: `WITH ${locally} DELETE FROM sluice.outbox USING locally WHERE no = ANY ($1::bigint[])`,
};
/** Cleared rows cost a commit: they wait for company, or for an accept that takes them along. */
const clearAfterMs = 20;

export interface OutboxOptions {
  readonly connection: Connected;
  /** Which carrier the hints of a queue go by now. */
  readonly carrierOf: (queue: number) => Carrier;
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

  /** Gives the rows, which this process committed, to the carrier. Nobody need wait for it; it never rejects. */
  async tell(rows: readonly OutboxRow[]): Promise<void> {
    await Promise.all(
      rows.map((row) => {
        const telling = this.#tellOne(row).finally(() => this.#telling.delete(telling));
        this.#telling.add(telling);
        return telling;
      }),
    );
  }

  /** Rows that a carrier has for certain, for a statement that clears them on its way. */
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

  async #tellOne(row: OutboxRow): Promise<void> {
    if (await this.#options.carrierOf(row.queue).carry(row)) this.#clear(row.no);
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
    // What cannot be cleared now is handed out from here as well.
    await this.#options.connection.rows(CLEAR, [confirmed]).catch(() => undefined);
  }
}
