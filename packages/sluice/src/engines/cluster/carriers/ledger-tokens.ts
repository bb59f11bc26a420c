// The tokens of a queue's rate in the ledger, for processes without Redis: the same bucket as in redis-tokens.ts.
import type { StartsAsk, StartsGrant } from "../../../engine/engine.ts";
import type { Statement } from "../ledger/connection/database.ts";
import { quickly } from "../ledger/connection/settings-check.ts";
import type { LedgerShare } from "./ledger-share.ts";
import { burstOf, microsPerToken, rounding, type Tokens } from "./shared-rate.ts";

export interface LedgerTokensOptions {
  readonly share: LedgerShare;
  /** Undefined for a queue that the ledger does not know. */
  readonly noOf: (queue: string) => number | undefined;
}

/** By this server's clock, in microseconds since 2026: a number of 64 bits would lose some of them otherwise. */
const micros = "((extract(epoch FROM clock_timestamp()) - 1767225600) * 1000000)::float8";
/**
 * Takes up to $4 tokens that come every $2 microseconds, of which $3 are saved up. Without a row there is one: a crash of the
 * server is no reason for a burst. What is set is worked out while the row is locked, the time as well: a time from before
 * somebody else's grant would grant it again. A clock that steps back costs what was saved up.
 */
const TAKE: Statement = {
  name: "take-tokens",
  text: `WITH ${quickly}
    INSERT INTO sluice.rates AS r (queue, empty_at, taken) SELECT $1::smallint, ${micros}, 1 FROM quickly
    ON CONFLICT (queue) DO UPDATE SET (empty_at, taken) = (
      SELECT f.empty_at + f.taken * $2::float8, f.taken FROM (
        SELECT e.empty_at, least($4::float8, floor((e.now - e.empty_at) / $2::float8 + ${rounding}))::int AS taken FROM (
          SELECT t.now, least(t.now, greatest(r.empty_at, t.now - $2::float8 * $3::float8)) AS empty_at
          FROM (SELECT ${micros} AS now OFFSET 0) t
        ) e
      ) f
    )
    RETURNING taken, greatest(0, empty_at + $2::float8 - ${micros}) AS retry_micros`,
};

interface Taken {
  readonly taken: number;
  readonly retry_micros: number;
}

export class LedgerTokens implements Tokens {
  readonly #options: LedgerTokensOptions;

  constructor(options: LedgerTokensOptions) {
    this.#options = options;
  }

  async take({ queue, ratePerHour, burst, wanted }: StartsAsk): Promise<StartsGrant | undefined> {
    const no = this.#options.noOf(queue);
    if (no === undefined) return undefined;
    const values = [no, microsPerToken(ratePerHour), burstOf(ratePerHour, burst), wanted];
    const [row] = (await this.#options.share.rows<Taken & object>(TAKE, values)) ?? [];
    if (row === undefined) return undefined;
    return { granted: row.taken, retryMs: row.taken < wanted ? row.retry_micros / 1_000 : 0 };
  }
}
