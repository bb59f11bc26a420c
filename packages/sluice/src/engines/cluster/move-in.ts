// Takes requests with all that is known of them into the ledger: a page with each transaction, which also notes how far
// the move is. Pages may come again after a crash: what is stored already stays as it is and is not counted twice.
// What waits gets a row in schedule, never delivered or not: the auditor takes it for granted that no request without
// one appears with an old id.
import { SluiceError } from "../../core/errors.ts";
import type { FinalState, State } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { AuditReport } from "../../engine/engine.ts";
import type { MovedPage, MovedQueue, MovedRequest } from "../../engine/moved.ts";
import { FIND_KEYS } from "./accept.ts";
import { addressOf } from "./address.ts";
import { auditLedger } from "./audit.ts";
import { ConflictError, Connection, type Connected, type Statement } from "./database.ts";
import { checkSchema } from "./migrate.ts";
import { QueueNumbers } from "./queue-numbers.ts";
import { readStates } from "./read.ts";
import { checkSettings } from "./settings-check.ts";

const UP_TO: Statement = { name: "move-up-to", text: "SELECT up_to::float8 FROM sluice.moves WHERE folder = $1" };
const LOCK_MOVE: Statement = { name: "move-lock", text: `${UP_TO.text} FOR UPDATE` };
const BEGIN_MOVE: Statement = {
  name: "move-begin",
  text: "INSERT INTO sluice.moves (folder, up_to) VALUES ($1, -1) ON CONFLICT DO NOTHING RETURNING folder",
};
const ADVANCE: Statement = { name: "move-advance", text: "UPDATE sluice.moves SET up_to = $2 WHERE folder = $1" };
const ADD_TO_QUEUES: Statement = {
  name: "move-add-to-queues",
  text: `UPDATE sluice.queues q SET is_paused = q.is_paused OR i.is_paused, expired_done = q.expired_done + i.done,
      expired_dead = q.expired_dead + i.dead, expired_cancelled = q.expired_cancelled + i.cancelled
    FROM unnest($1::smallint[], $2::boolean[], $3::bigint[], $4::bigint[], $5::bigint[])
      AS i (no, is_paused, done, dead, cancelled)
    WHERE q.no = i.no`,
};
/** The bodies come as one value and are cut up here, and so do the results: see accept.ts. */
const STORE_REQUESTS: Statement = {
  name: "move-store-requests",
  text: `INSERT INTO sluice.requests (id, queue, key, content_type, headers, bytes, body)
    SELECT id, queue, key, content_type, headers, bytes, substring($8::bytea FROM at FOR bytes)
    FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[])
      AS i (id, queue, key, content_type, headers, at, bytes)
    ON CONFLICT (id) DO NOTHING RETURNING id`,
};
const STORE_KEYS: Statement = {
  name: "move-store-keys",
  text: `INSERT INTO sluice.keys (queue, key, id, fingerprint)
    SELECT * FROM unnest($1::smallint[], $2::text[], $3::uuid[], $4::bytea[]) AS i (queue, key, id, fingerprint)
    ORDER BY queue, key COLLATE "C" ON CONFLICT DO NOTHING`,
};
const STORE_OUTCOMES: Statement = {
  name: "move-store-outcomes",
  text: `INSERT INTO sluice.outcomes (id, queue, state, attempts, started_at, finished_at, error_code, error_message,
      content_type, result)
    SELECT id, queue, state, attempts, started_at, finished_at, error_code, error_message, content_type,
      CASE WHEN at IS NOT NULL THEN substring($12::bytea FROM at FOR bytes) END
    FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
      $9::text[], $10::int[], $11::int[])
      AS i (id, queue, state, attempts, started_at, finished_at, error_code, error_message, content_type, at, bytes)`,
};
const STORE_FAILURES: Statement = {
  name: "move-store-failures",
  text: `INSERT INTO sluice.failures (id, attempt, failed_at, code, message)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::text[])`,
};
/** What is due is told to the broker by way of the outbox, what is not by the scheduler in its time. */
const STORE_SCHEDULE: Statement = {
  name: "move-store-schedule",
  text: `WITH scheduled AS (
      INSERT INTO sluice.schedule (id, queue, due_at, attempts, crashes, started_at, token, is_hinted)
      SELECT id, queue, due_at, attempts, crashes, started_at, 0, due_at <= extract(epoch FROM now()) * 1000
      FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::int[], $5::int[], $6::bigint[])
        AS i (id, queue, due_at, attempts, crashes, started_at)
      RETURNING id, queue, crashes, is_hinted
    )
    INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT queue, CASE WHEN crashes > 1 THEN 'suspect' ELSE 'again' END, array_agg(id ORDER BY id)
    FROM scheduled WHERE is_hinted GROUP BY 1, 2`,
};
/** In the row of those who are no members any more. */
const TALLY: Statement = {
  name: "move-tally",
  text: `INSERT INTO sluice.tallies AS t (member, queue, accepted, done, dead, cancelled, backlog_bytes)
    SELECT 0, * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
      AS i (queue, accepted, done, dead, cancelled, backlog_bytes) ORDER BY queue
    ON CONFLICT (member, queue) DO UPDATE SET accepted = t.accepted + excluded.accepted, done = t.done + excluded.done,
      dead = t.dead + excluded.dead, cancelled = t.cancelled + excluded.cancelled,
      backlog_bytes = t.backlog_bytes + excluded.backlog_bytes`,
};

/** Others of the cluster are in the way: as many rounds as they may win. */
const roundsMax = 20;

interface Keyed {
  readonly id: RequestId;
  readonly queue: string;
  readonly key: string | undefined;
}

export interface Moving {
  /** The folder's identity. */
  readonly folder: number;
  readonly queues: readonly string[];
}

export class MoveIn implements AsyncDisposable {
  readonly #folder: number;
  readonly #connection: Connection;
  readonly #queues: QueueNumbers;

  /**
   * Errors: `unreachable`, `unsafe-store`, `schema-missing`, also for a queue that the cluster does not know,
   * `schema-older` and `schema-newer`.
   */
  static async open(databaseUrl: string, { folder, queues }: Moving): Promise<MoveIn> {
    const connection = new Connection({ databaseUrl, name: "sluice move" });
    const numbers = new QueueNumbers();
    try {
      await checkSettings(connection);
      await checkSchema(connection, queues);
      await numbers.read(connection);
      return new MoveIn(folder, connection, numbers);
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      if (!(error instanceof SluiceError) || error.code !== "store-unavailable") throw error;
      throw new SluiceError("unreachable", `at ${addressOf(databaseUrl)}: ${error.message}`, { cause: error });
    }
  }

  private constructor(folder: number, connection: Connection, queues: QueueNumbers) {
    this.#folder = folder;
    this.#connection = connection;
    this.#queues = queues;
  }

  /** How far the move of this folder is; -1 before its first page. */
  async upTo(): Promise<number> {
    const [row] = await this.#connection.rows<{ up_to: number }>(UP_TO, [this.#folder]);
    return row?.up_to ?? -1;
  }

  /** Errors: `key-reused` when a key belongs to another request here. */
  async refuseKeysOfOthers(requests: readonly Keyed[]): Promise<void> {
    await this.#refuseKeysOfOthers(this.#connection, requests);
  }

  /** Takes over what the queues bring along, once. */
  async begin(queues: readonly MovedQueue[]): Promise<void> {
    await this.#transaction(async (inside) => {
      const begun = await inside.rows(BEGIN_MOVE, [this.#folder]);
      if (begun.length === 0) return;
      const [nos, paused, accepted, ...counts] = columnsOf(
        queues,
        ({ name }) => this.#queues.noOf(name),
        ({ isPaused }) => isPaused,
        ({ expired }) => expired.done + expired.dead + expired.cancelled,
        ({ expired }) => expired.done,
        ({ expired }) => expired.dead,
        ({ expired }) => expired.cancelled,
      );
      await inside.rows(ADD_TO_QUEUES, [nos, paused, ...counts]);
      await inside.rows(TALLY, [nos, accepted, ...counts, queues.map(() => 0)]);
    });
  }

  /** Stores the page, all of it or nothing. Errors: `key-reused`. */
  async store({ requests, upTo }: MovedPage): Promise<void> {
    await this.#transaction(async (inside) => {
      const [move] = await inside.rows<{ up_to: number }>(LOCK_MOVE, [this.#folder]);
      if (move === undefined) throw new SluiceError("internal", "the move has not begun");
      if (move.up_to >= upTo) return; // committed before: its answer was lost
      const rows = await inside.rows<{ id: RequestId }>(STORE_REQUESTS, this.#requestValues(requests));
      const stored = new Set(rows.map(({ id }) => id));
      await this.#storeRest(
        inside,
        requests.filter(({ id }) => stored.has(id)),
      );
      await inside.rows(ADVANCE, [this.#folder, upTo]);
    });
  }

  /** Those that are not there are absent. */
  states(ids: readonly RequestId[], now: number): Promise<ReadonlyMap<RequestId, State>> {
    return readStates(this.#connection, ids, now);
  }

  audit(now: number): Promise<AuditReport> {
    return auditLedger(this.#connection, now);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]();
  }

  async #storeRest(inside: Connected, requests: readonly MovedRequest[]): Promise<void> {
    if (requests.length === 0) return;
    await inside.rows(STORE_KEYS, this.#keyValues(requests));
    await this.#refuseKeysOfOthers(inside, requests);
    await inside.rows(STORE_OUTCOMES, this.#outcomeValues(requests));
    await inside.rows(STORE_FAILURES, failureValues(requests));
    await inside.rows(STORE_SCHEDULE, this.#scheduleValues(requests));
    await inside.rows(TALLY, this.#tallyValues(requests));
  }

  async #refuseKeysOfOthers(db: Connected, requests: readonly Keyed[]): Promise<void> {
    const keyed = requests.filter(({ key }) => key !== undefined);
    const own = new Map(keyed.map((request) => [`${this.#queues.noOf(request.queue)} ${request.key}`, request]));
    const nos = keyed.map(({ queue }) => this.#queues.noOf(queue));
    const rows = await db.rows<{ queue: number; key: string; id: RequestId }>(FIND_KEYS, [
      nos,
      keyed.map(({ key }) => key),
    ]);
    for (const row of rows) {
      const request = own.get(`${row.queue} ${row.key}`);
      if (request === undefined || request.id === row.id) continue;
      const place = `the key "${row.key}" of queue "${request.queue}"`;
      throw new SluiceError(
        "key-reused",
        `${place} belongs to ${row.id} in the cluster and to ${request.id} in the folder`,
      );
    }
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

  #requestValues(requests: readonly MovedRequest[]): unknown[] {
    const { at, sizes, bytes } = joined(requests.map(({ body }) => body));
    const columns = columnsOf(
      requests,
      ({ id }) => id,
      ({ queue }) => this.#queues.noOf(queue),
      ({ key }) => key,
      ({ contentType }) => storable(contentType),
      ({ headers }) => headers,
    );
    return [...columns, at, sizes, bytes];
  }

  #keyValues(requests: readonly MovedRequest[]): unknown[] {
    return columnsOf(
      requests.filter(({ key }) => key !== undefined),
      ({ queue }) => this.#queues.noOf(queue),
      ({ key }) => key,
      ({ id }) => id,
      ({ fingerprint }) => Buffer.from(fingerprint ?? []),
    );
  }

  #outcomeValues(requests: readonly MovedRequest[]): unknown[] {
    const rows = requests.flatMap(({ standing, ...request }) =>
      standing.kind === "outcome" ? { ...request, ...standing } : [],
    );
    const { at, sizes, bytes } = joined(rows.map(({ result }) => result?.bytes));
    const columns = columnsOf(
      rows,
      ({ id }) => id,
      ({ queue }) => this.#queues.noOf(queue),
      ({ state }) => state,
      ({ attempts }) => attempts,
      ({ startedAt }) => startedAt,
      ({ finishedAt }) => finishedAt,
      ({ failure }) => storable(failure?.code),
      ({ failure }) => storable(failure?.message),
      ({ result }) => storable(result?.contentType),
    );
    return [...columns, at, sizes, bytes];
  }

  #scheduleValues(requests: readonly MovedRequest[]): unknown[] {
    return columnsOf(
      requests.flatMap(({ standing, ...request }) => (standing.kind === "backlog" ? { ...request, ...standing } : [])),
      ({ id }) => id,
      ({ queue }) => this.#queues.noOf(queue),
      ({ dueAt }) => dueAt,
      ({ attempts }) => attempts,
      ({ crashes }) => crashes,
      ({ startedAt }) => startedAt,
    );
  }

  #tallyValues(requests: readonly MovedRequest[]): unknown[] {
    const byQueue = Map.groupBy(requests, ({ queue }) => queue);
    const count = (own: readonly MovedRequest[], wanted: FinalState): number =>
      own.filter(({ standing }) => standing.kind === "outcome" && standing.state === wanted).length;
    return columnsOf(
      [...byQueue],
      ([queue]) => this.#queues.noOf(queue),
      ([, own]) => own.length,
      ([, own]) => count(own, "done"),
      ([, own]) => count(own, "dead"),
      ([, own]) => count(own, "cancelled"),
      ([, own]) =>
        own.reduce((sum, { standing, body }) => sum + (standing.kind === "backlog" ? body.byteLength : 0), 0),
    );
  }
}

function failureValues(requests: readonly MovedRequest[]): unknown[] {
  return columnsOf(
    requests.flatMap(({ id, failures }) => failures.map((failure) => ({ id, ...failure }))),
    ({ id }) => id,
    ({ attempt }) => attempt,
    ({ failedAt }) => failedAt,
    ({ code }) => storable(code),
    ({ message }) => storable(message),
  );
}

/** What is undefined is null there. */
function columnsOf<Row>(rows: readonly Row[], ...columns: readonly ((row: Row) => unknown)[]): unknown[][] {
  return columns.map((column) => rows.map((row) => column(row) ?? null));
}

/** One value for all of them, and where in it each begins, from 1, and its size. */
function joined(parts: readonly (Uint8Array | undefined)[]): {
  readonly at: readonly (number | null)[];
  readonly sizes: readonly (number | null)[];
  readonly bytes: Buffer;
} {
  let size = 0;
  const at = parts.map((part) => {
    if (part === undefined) return null;
    const begin = size + 1;
    size += part.byteLength;
    return begin;
  });
  const bytes = Buffer.concat(parts.filter((part) => part !== undefined));
  return { at, sizes: parts.map((part) => part?.byteLength ?? null), bytes };
}

/** SQLite keeps a text with a zero in it, PostgreSQL refuses it. */
function storable(text: string | undefined): string | undefined {
  return text?.replaceAll("\0", "\uFFFD");
}
