// Claims that may have been committed though their answer was lost. Nobody runs them, and their member lives: they would
// stay for as long as it does. So they are let go, and hinted again, as their hints may have gone with the connection.
import type { Clock } from "../../../core/clock.ts";
import type { Connected, Statement } from "./connection/database.ts";

const RELEASE_UNKNOWN: Statement = {
  name: "release-unknown",
  text: `WITH gone AS (
      DELETE FROM sluice.running WHERE member = $1 AND token <> ALL ($2::bigint[]) RETURNING id, queue, crashes
    )
    INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT queue, CASE WHEN crashes > 1 THEN 'suspect' ELSE 'again' END, array_agg(id ORDER BY id) FROM gone GROUP BY 1, 2`,
};
/** The server may be at a claim for longer than anybody waits for its answer. */
const lateMsMax = 30_000;

export interface UnknownClaimsOptions {
  readonly connection: Connected;
  readonly clock: Clock;
  readonly member: () => number;
  /** Tokens of the claims that are known. */
  readonly known: () => Iterable<number>;
}

export class UnknownClaims {
  readonly #options: UnknownClaimsOptions;
  /** By the monotonic clock; undefined when there is none. */
  #until: number | undefined;

  constructor(options: UnknownClaimsOptions) {
    this.#options = options;
  }

  get mayBe(): boolean {
    return this.#until !== undefined;
  }

  /** The answer to a claim was lost, or the connection was. */
  begin(): void {
    this.#until = this.#options.clock.monotonic() + lateMsMax;
  }

  /** No claim of this process may be under way meanwhile. */
  async release(): Promise<void> {
    if (this.#until === undefined) return;
    const { connection, clock, member, known } = this.#options;
    const isLast = clock.monotonic() > this.#until;
    await connection.rows(RELEASE_UNKNOWN, [member(), [...known()]]);
    if (isLast) this.#until = undefined;
  }
}
