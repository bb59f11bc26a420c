// How fast requests are accepted and finished in the whole cluster, from the counts in the ledger.
import type { Clock } from "../../../core/clock.ts";
import { RateMeter } from "../../../core/rate-meter.ts";
import type { Connected, Statement } from "./connection/database.ts";

const totals = (which: string): string => `SELECT q.name, coalesce(sum(t.accepted), 0)::float8 AS accepted,
      coalesce(sum(t.done + t.dead + t.cancelled), 0)::float8 AS finished
    FROM sluice.queues q LEFT JOIN sluice.tallies t ON t.queue = q.no ${which} GROUP BY q.name`;
const SELECT_TOTALS: Statement = { name: "select-totals", text: totals("") };
const SELECT_TOTALS_OF: Statement = { name: "select-totals-of", text: totals("WHERE q.name = $1") };

/** A hint holds the work of so long: enough to spare the broker, too little for one worker to hoard. */
const hintMs = 20;
const hintIdsMax = 64;
/** While nothing is known of how long the work takes: requests that arrive fast are hinted a few at a time. */
const unknownIdsMax = 16;

interface Meters {
  readonly accepting: RateMeter;
  readonly finishing: RateMeter;
  accepted: number;
  finished: number;
  /** In a second, of late. */
  acceptedPerSecond: number;
  finishedPerSecond: number;
  readAt: number;
}

export class Traffic {
  readonly #clock: Clock;
  readonly #meters = new Map<string, Meters>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async read(connection: Connected, queue?: string): Promise<void> {
    const [statement, values] = queue === undefined ? [SELECT_TOTALS, []] : [SELECT_TOTALS_OF, [queue]];
    const rows = await connection.rows<{ name: string; accepted: number; finished: number }>(statement, values);
    for (const row of rows) this.#note(row);
  }

  of(queue: string): { readonly accepting: RateMeter; readonly finishing: RateMeter } {
    const none = new RateMeter(this.#clock);
    return this.#meters.get(queue) ?? { accepting: none, finishing: none };
  }

  /** How many requests of a queue one hint may hold. */
  hintIdsMax(queue: string): number {
    const { acceptedPerSecond = 0, finishedPerSecond = 0 } = this.#meters.get(queue) ?? {};
    const byArrival = Math.min(unknownIdsMax, (acceptedPerSecond * hintMs) / 1_000);
    return Math.min(hintIdsMax, Math.max(1, Math.ceil(byArrival), Math.ceil((finishedPerSecond * hintMs) / 1_000)));
  }

  #note({ name, accepted, finished }: { name: string; accepted: number; finished: number }): void {
    const now = performance.now();
    const known = this.#meters.get(name);
    if (known === undefined) {
      const meters = { accepting: new RateMeter(this.#clock), finishing: new RateMeter(this.#clock) };
      this.#meters.set(name, {
        ...meters,
        accepted,
        finished,
        acceptedPerSecond: 0,
        finishedPerSecond: 0,
        readAt: now,
      });
      return;
    }
    const [more, done] = [Math.max(0, accepted - known.accepted), Math.max(0, finished - known.finished)];
    known.accepting.add(more);
    known.finishing.add(done);
    const seconds = Math.max(1, now - known.readAt) / 1_000;
    known.acceptedPerSecond = (known.acceptedPerSecond + more / seconds) / 2;
    known.finishedPerSecond = (known.finishedPerSecond + done / seconds) / 2;
    Object.assign(known, { accepted, finished, readAt: now });
  }
}
