// What a process without Redis asks of the ledger: the same rows as all others, at once or not at all. A statement that takes
// too long goes unanswered, and while it does, so does all else.
import type { QueryResultRow } from "pg";
import { messageOf, SluiceError } from "../../../core/errors.ts";
import type { Logger } from "../../../telemetry/log.ts";
import { ConflictError, type Connection, type Statement } from "../ledger/connection/database.ts";

export interface LedgerShareOptions {
  /** Nothing else uses it. */
  readonly connection: Connection;
  readonly log: Logger;
}

/** An answer that takes longer is of no use any more. */
const answerMsMax = 1_000;

export class LedgerShare {
  readonly #options: LedgerShareOptions;
  #isLate = false;
  #isRefused = false;

  constructor(options: LedgerShareOptions) {
    this.#options = options;
  }

  /** Undefined when PostgreSQL is out, takes longer than a second, or refuses. */
  async rows<Row extends QueryResultRow>(
    statement: Statement,
    values: readonly unknown[],
  ): Promise<readonly Row[] | undefined> {
    if (this.#isLate) return undefined;
    const { promise: late, resolve: giveUp } = Promise.withResolvers<"late">();
    // An answer that came while this process was busy is read before the second step.
    const timer = setTimeout(() => setImmediate(giveUp, "late"), answerMsMax);
    const answer = this.#options.connection.rows<Row>(statement, values);
    try {
      const first = await Promise.race([answer, late]);
      if (first !== "late") {
        this.#isRefused = false;
        return first;
      }
      this.#isLate = true;
      answer.catch(() => undefined).finally(() => (this.#isLate = false));
    } catch (error) {
      this.#heed(error);
    } finally {
      clearTimeout(timer);
    }
    return undefined;
  }

  /** An outage of PostgreSQL is told by the session. Anything else is a defect, or a missing privilege: told once. */
  #heed(error: unknown): void {
    const isPassing = error instanceof ConflictError || (error instanceof SluiceError && error.isRetryable);
    if (isPassing || this.#isRefused) return;
    this.#isRefused = true;
    this.#options.log.error({ err: messageOf(error) }, "PostgreSQL does not share the rate and the notices");
  }
}
