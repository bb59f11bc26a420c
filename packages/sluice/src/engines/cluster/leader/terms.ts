// Leadership as a row: who leads has a term, and renews it before it expires by the server's clock. Each act of a leader holds the
// row for as long as it takes, so that none of an old term changes anything, and nobody takes the lead in the middle of one.
import { SluiceError } from "../../../core/errors.ts";
import type { Changing, Connected, Connection, Statement } from "../ledger/connection/database.ts";
import { locally } from "../ledger/connection/settings-check.ts";

/** Who leads a scope, as a process knows it of itself. */
export interface Term {
  readonly scope: string;
  /** The life of a process: another one has another, though it has the same name. */
  readonly holder: string;
  readonly term: number;
}

/**
 * Takes the lead or keeps it, for so long in milliseconds. A renewal that lies ahead was written by a clock that has stepped back
 * since. A row that an act holds is left alone: its leader is at work.
 */
export const takeLead = (scope: string, holder: string, leaseMs: string): string => `
  UPDATE sluice.leaders l SET term = l.term + (l.holder IS DISTINCT FROM ${holder}::uuid)::int, holder = ${holder}::uuid,
    renewed_at = clock_timestamp(), expires_at = clock_timestamp() + make_interval(secs => ${leaseMs} / 1000.0)
  FROM (
    SELECT f.scope FROM sluice.leaders f WHERE f.scope = ${scope} AND (f.holder = ${holder}::uuid
      OR f.expires_at < clock_timestamp() OR f.renewed_at > clock_timestamp() + interval '1 second')
    FOR UPDATE SKIP LOCKED
  ) free
  WHERE l.scope = free.scope
  RETURNING l.term`;

/** Beside `led`, which took the lead or not: the term of this holder, which may be held by an act of its own. */
export const termOf = (scope: string, holder: string): string => `coalesce((SELECT term FROM led),
  (SELECT term FROM sluice.leaders WHERE scope = ${scope} AND holder = ${holder}::uuid))::float8`;

export const ADD_SCOPE: Statement = {
  name: "add-scope",
  text: "INSERT INTO sluice.leaders (scope) VALUES ($1) ON CONFLICT DO NOTHING",
};
export const LET_GO: Statement = {
  name: "let-go",
  text: `WITH ${locally} UPDATE sluice.leaders SET expires_at = '-infinity' FROM locally WHERE scope = $1 AND holder = $2`,
};
const HOLD_TERM: Statement = {
  name: "hold-term",
  text: "SELECT FROM sluice.leaders WHERE scope = $1 AND holder = $2 AND term = $3 FOR SHARE",
};

/**
 * An act that a failover takes back is done again by the next leader: it waits for no standby. A leader that was stopped in the middle
 * of one does not hold the row for long.
 */
const beginAct = "BEGIN; SET LOCAL synchronous_commit = local; SET LOCAL idle_in_transaction_session_timeout = '10s'";

/** What a leader changes, on a connection that others may use as well. It reads there as everybody does. */
export class Acting implements Changing {
  readonly #connection: Connection;
  readonly #term: () => Term | undefined;

  constructor(connection: Connection, term: () => Term | undefined) {
    this.#connection = connection;
    this.#term = term;
  }

  rows<Row extends object>(statement: Statement, values?: readonly unknown[]): Promise<Row[]> {
    return this.#connection.rows<Row>(statement, values);
  }

  /** Rejects as `lost-claim` when somebody else leads by now: nothing is changed then. */
  transaction<Value>(act: (inside: Connected) => Promise<Value>): Promise<Value> {
    return this.#connection.transaction(async (inside) => {
      const term = this.#term();
      const held = term && (await inside.rows(HOLD_TERM, [term.scope, term.holder, term.term]));
      if (held?.length !== 1) throw new SluiceError("lost-claim", "another process leads by now");
      return act(inside);
    }, beginAct);
  }
}
