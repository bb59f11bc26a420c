// Takes requests of another store into the ledger, a page with each transaction, which also notes how far the move is:
// it may be ended at any moment, and goes on from there.
import { SluiceError } from "../../../core/errors.ts";
import type { State } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import { addressOf } from "../../../core/server-url.ts";
import type { AuditReport } from "../../../engine/audit.ts";
import type { ComparedRequest, MovedPage, MovedQueue } from "../../../engine/moved.ts";
import { auditLedger } from "../audit/audit.ts";
import { ConflictError, Connection, type Connected, type Statement } from "../ledger/connection/database.ts";
import { checkSchema } from "../ledger/schema/migrate.ts";
import { columnsOf, refuseKeysOfOthers, storePage, storePlaces, TALLY } from "./move-page.ts";
import { QueueNumbers } from "../ledger/queue-numbers.ts";
import { beginLinesOfMoved } from "../ledger/lines.ts";
import { readStates } from "../ledger/read.ts";
import { checkSettings } from "../ledger/connection/settings-check.ts";

export const UP_TO: Statement = {
  name: "move-up-to",
  text: "SELECT up_to::float8 FROM sluice.moves WHERE folder = $1",
};
const LOCK_MOVE: Statement = { name: "move-lock", text: `${UP_TO.text} FOR UPDATE` };
export const BEGIN_MOVE: Statement = {
  name: "move-begin",
  text: "INSERT INTO sluice.moves (folder, up_to) VALUES ($1, -1) ON CONFLICT DO NOTHING RETURNING folder",
};
const ADVANCE: Statement = {
  name: "move-advance",
  text: "UPDATE sluice.moves SET up_to = $2 WHERE folder = $1",
};
const ADD_TO_QUEUES: Statement = {
  name: "move-add-to-queues",
  text: `UPDATE sluice.queues q SET is_paused = q.is_paused OR i.is_paused,
      paused_at = coalesce(q.paused_at, i.paused_at), expired_done = q.expired_done + i.done,
      expired_dead = q.expired_dead + i.dead, expired_cancelled = q.expired_cancelled + i.cancelled
    FROM unnest($1::smallint[], $2::boolean[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
      AS i (no, is_paused, paused_at, done, dead, cancelled)
    WHERE q.no = i.no`,
};
/** What was said here goes before what the folder brings. */
const ADD_GROUPS: Statement = {
  name: "move-add-groups",
  text: `WITH said AS (
      INSERT INTO sluice.line_events (kind, queue, name) SELECT 'said', * FROM unnest($1::smallint[], $2::text[])
    )
    INSERT INTO sluice.groups AS g (queue, grp, settings) SELECT * FROM unnest($1::smallint[], $2::text[], $3::jsonb[])
    ON CONFLICT (queue, grp) DO UPDATE SET settings = coalesce(g.settings, excluded.settings)`,
};

/** Others of the cluster are in the way: as many rounds as they may win. */
const roundsMax = 20;

export interface MoveInOptions {
  readonly databaseUrl: string;
  /** By which the move is found again. */
  readonly folder: number;
  readonly queues: readonly MovedQueue[];
}

export class MoveIn implements AsyncDisposable {
  readonly #options: MoveInOptions;
  readonly #connection: Connection;
  readonly #numbers = new QueueNumbers();

  /**
   * Errors: `unreachable`, `unsafe-store`, `schema-missing`, also for a queue that the cluster does not know,
   * `schema-older` and `schema-newer`.
   */
  static async open(options: MoveInOptions): Promise<MoveIn> {
    const { databaseUrl, queues } = options;
    const connection = new Connection({ databaseUrl, name: "sluice move", settings: { jit: "off" } });
    try {
      await checkSettings(connection);
      await checkSchema(
        connection,
        queues.map(({ name }) => name),
      );
      const move = new MoveIn(options, connection);
      await move.#numbers.read(connection);
      return move;
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      if (!(error instanceof SluiceError) || error.code !== "store-unavailable") throw error;
      throw new SluiceError("unreachable", `at ${addressOf(databaseUrl)}: ${error.message}`, { cause: error });
    }
  }

  private constructor(options: MoveInOptions, connection: Connection) {
    this.#options = options;
    this.#connection = connection;
  }

  /** How far the move is; -1 before its first page. */
  async upTo(): Promise<number> {
    const [move] = await this.#connection.rows<{ up_to: number }>(UP_TO, [this.#options.folder]);
    return move?.up_to ?? -1;
  }

  /** Errors: `key-reused` when a key belongs to another request here. */
  refuseKeysOfOthers(requests: readonly ComparedRequest[]): Promise<void> {
    return refuseKeysOfOthers(this.#connection, requests, this.#numbers);
  }

  /** Takes over what the queues bring along besides their requests; once, however often it is called. */
  async begin(): Promise<void> {
    const { folder, queues } = this.#options;
    const [nos, accepted, paused, pausedAt, ...expired] = columnsOf(
      queues,
      ({ name }) => this.#numbers.noOf(name),
      (queue) => queue.expired.done + queue.expired.dead + queue.expired.cancelled,
      ({ isPaused }) => isPaused,
      (queue) => queue.pausedAt ?? null,
      (queue) => queue.expired.done,
      (queue) => queue.expired.dead,
      (queue) => queue.expired.cancelled,
    );
    await this.#transaction(async (inside) => {
      const begun = await inside.rows(BEGIN_MOVE, [folder]);
      if (begun.length === 0) return;
      await inside.rows(ADD_TO_QUEUES, [nos, paused, pausedAt, ...expired]);
      await inside.rows(TALLY, [nos, accepted, ...expired, queues.map(() => 0)]);
      const groups = queues.flatMap(({ name, groups: own }) => own.map((group) => ({ ...group, name })));
      if (groups.length === 0) return;
      const values = columnsOf(
        groups,
        ({ name }) => this.#numbers.noOf(name),
        ({ group }) => group,
        ({ override }) => JSON.stringify(override),
      );
      await inside.rows(ADD_GROUPS, values);
    });
  }

  /** Stores the page, all of it or nothing. Errors: `key-reused` when a key belongs to another request here. */
  async store({ requests, places, upTo }: MovedPage): Promise<void> {
    const { folder } = this.#options;
    await beginLinesOfMoved(this.#connection, this.#numbers, requests); // what is dead may be replayed
    await this.#transaction(async (inside) => {
      const [move] = await inside.rows<{ up_to: number }>(LOCK_MOVE, [folder]);
      if (move === undefined) throw new SluiceError("internal", "the move has not begun");
      if (move.up_to >= upTo) return;
      await storePage(inside, requests, this.#numbers);
      await storePlaces(inside, places, this.#numbers);
      await inside.rows(ADVANCE, [folder, upTo]);
    });
  }

  /** Those that are not there are absent. */
  states(requests: readonly ComparedRequest[], now: number): Promise<ReadonlyMap<RequestId, State>> {
    return readStates(
      this.#connection,
      requests.map(({ id }) => id),
      now,
    );
  }

  audit(now: number): Promise<AuditReport> {
    return auditLedger(this.#connection, now);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]();
  }

  async #transaction(work: (inside: Connected) => Promise<void>): Promise<void> {
    for (let round = 1; ; round += 1) {
      try {
        return await this.#connection.transaction(work);
      } catch (error) {
        if (!(error instanceof ConflictError) || round === roundsMax) throw error;
      }
    }
  }
}
