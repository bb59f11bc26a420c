// Reads the requests of a store page by page, with all that is known of each: what a move and a spool hand on.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { FinalState } from "../../core/request.ts";
import { requestIdOf, timeOfSeq } from "../../core/request-id.ts";
import type {
  MovedBacklog,
  MovedCallback,
  MovedFailure,
  MovedOutcome,
  MovedPage,
  MovedPlace,
  MovedRequest,
} from "../../engine/moved.ts";

const SELECT_PAGE = `
  SELECT r.seq, r.random, r.queue, r.key, k.fingerprint, r.content_type, r.headers, r.body, o.state,
    coalesce(o.attempts, s.attempts, 0) AS attempts, coalesce(o.started_at, s.started_at) AS started_at,
    o.finished_at, o.content_type AS result_type, o.result, o.response, o.error_code, o.error_message, s.due_at, s.crashes, s.kind,
    e.expires_at, p.at AS replayed_at, c.url AS callback_url, c.round AS callback_round, c.is_told AS is_callback_told,
    l.seq IS NOT NULL AS is_lined
  FROM requests r
  LEFT JOIN keys k ON k.queue = r.queue AND k.key = r.key
  LEFT JOIN outcomes o ON o.seq = r.seq
  LEFT JOIN scheduled s ON s.seq = r.seq
  LEFT JOIN callbacks c ON c.seq = r.seq
  LEFT JOIN expiries e ON e.seq = r.seq
  LEFT JOIN replays p ON p.seq = r.seq
  LEFT JOIN lined l ON l.queue = r.queue AND l.seq = r.seq
  WHERE r.seq > ? ORDER BY r.seq LIMIT ?`;
const SELECT_FAILURES = `
  SELECT seq, attempt, failed_at, code, message FROM failures WHERE seq BETWEEN ? AND ? ORDER BY seq, attempt`;
const PLACES = `
  SELECT l.seq, r.random, l.queue, l.grp, l.urgency, l.order_key, l.turn, l.place, o.finished_at
  FROM lined l JOIN requests r ON r.seq = l.seq LEFT JOIN outcomes o ON o.seq = l.seq`;
const SELECT_PLACES = `${PLACES} WHERE l.turn = l.seq AND (l.queue, l.seq) IN (
  SELECT queue, seq FROM requests WHERE seq BETWEEN ? AND ?)`;
/** They were replayed. */
const SELECT_LATER_PLACES = `${PLACES} WHERE l.turn <> l.seq ORDER BY l.turn`;

const pageRows = 1_000;
/** Bodies and results of a page, beyond its first row's. */
const pageBytes = 8 * 1024 * 1024;

interface PageRow {
  readonly seq: number;
  readonly random: Uint8Array;
  readonly queue: number;
  readonly key: string | null;
  readonly fingerprint: Uint8Array | null;
  readonly content_type: string;
  readonly headers: string | null;
  readonly body: Uint8Array;
  readonly state: FinalState | null;
  readonly attempts: number;
  readonly started_at: number | null;
  readonly finished_at: number | null;
  readonly result_type: string | null;
  readonly result: Uint8Array | null;
  readonly response: string | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
  readonly due_at: number | null;
  readonly crashes: number | null;
  readonly kind: number | null;
  readonly expires_at: number | null;
  readonly replayed_at: number | null;
  readonly callback_url: string | null;
  readonly callback_round: number | null;
  readonly is_callback_told: number | null;
  readonly is_lined: number;
}

interface PlaceRow {
  readonly seq: number;
  readonly random: Uint8Array;
  readonly queue: number;
  readonly grp: string;
  readonly urgency: number;
  readonly order_key: string | null;
  readonly turn: number;
  readonly place: number;
  readonly finished_at: number | null;
}

interface FailureRow {
  readonly seq: number;
  readonly attempt: number;
  readonly failed_at: number;
  readonly code: string;
  readonly message: string;
}

export class Pages {
  readonly #selectPage: StatementSync;
  readonly #selectFailures: StatementSync;
  readonly #selectPlaces: StatementSync;
  readonly #laterPlaces: readonly MovedPlace[];
  readonly #names: ReadonlyMap<number, string>;

  /** With the names of the store's queues, by their numbers. */
  constructor(db: DatabaseSync, names: ReadonlyMap<number, string>) {
    this.#selectPage = db.prepare(SELECT_PAGE);
    this.#selectFailures = db.prepare(SELECT_FAILURES);
    this.#selectPlaces = db.prepare(SELECT_PLACES);
    this.#names = names;
    this.#laterPlaces = this.#placesOf(db.prepare(SELECT_LATER_PLACES));
  }

  /** The requests that follow, in the order of acceptance, in a page of that share; undefined behind the last one. */
  page(after: number, share = 1): MovedPage | undefined {
    const rows = this.#pageRows(after, share);
    const [first, last] = [rows[0], rows.at(-1)];
    if (first === undefined || last === undefined) return this.#lastPlaces(after);
    const failures = this.#failuresBetween(first.seq, last.seq);
    const requests = rows.map((row) => this.#requestOf(row, failures.get(row.seq) ?? []));
    const later = this.#laterPlaces.filter(({ turn }) => turn > after && turn <= last.seq);
    const places = [...this.#placesOf(this.#selectPlaces, first.seq, last.seq), ...later];
    return { requests, places: places.toSorted((a, b) => a.turn - b.turn), upTo: last.seq };
  }

  /** Of those that were replayed after the last request was accepted. */
  #lastPlaces(after: number): MovedPage | undefined {
    const places = this.#laterPlaces.filter(({ turn }) => turn > after);
    const last = places.at(-1);
    return last && { requests: [], places, upTo: last.turn };
  }

  #placesOf(select: StatementSync, ...bounds: number[]): readonly MovedPlace[] {
    return (select.all(...bounds) as unknown as PlaceRow[]).map((row) => ({
      id: requestIdOf(row.seq, row.random),
      queue: this.#names.get(row.queue) as string,
      group: row.grp,
      urgency: row.urgency,
      order: row.order_key ?? undefined,
      turn: row.turn,
      since: row.finished_at ?? timeOfSeq(row.place),
      isHolding: row.finished_at !== null,
    }));
  }

  #pageRows(after: number, share: number): PageRow[] {
    const rowsMax = Math.ceil(pageRows * share);
    const rows: PageRow[] = [];
    let bytes = 0;
    for (const row of this.#selectPage.iterate(after, rowsMax) as Iterable<unknown> as Iterable<PageRow>) {
      rows.push(row);
      bytes += row.body.byteLength + (row.result?.byteLength ?? 0);
      if (bytes > pageBytes * share) break;
    }
    return rows;
  }

  #failuresBetween(first: number, last: number): ReadonlyMap<number, readonly MovedFailure[]> {
    const rows = this.#selectFailures.all(first, last) as unknown as FailureRow[];
    const bySeq = Map.groupBy(rows, ({ seq }) => seq);
    return new Map(
      [...bySeq].map(([seq, own]) => [seq, own.map(({ failed_at, ...row }) => ({ ...row, failedAt: failed_at }))]),
    );
  }

  #requestOf(row: PageRow, failures: readonly MovedFailure[]): MovedRequest {
    return {
      id: requestIdOf(row.seq, row.random),
      queue: this.#names.get(row.queue) as string,
      key: row.key ?? undefined,
      fingerprint: row.fingerprint ?? undefined,
      contentType: row.content_type,
      headers: row.headers ?? undefined,
      body: row.body,
      attempts: row.attempts,
      startedAt: row.started_at ?? undefined,
      replayedAt: row.replayed_at ?? undefined,
      failures,
      callback: callbackOf(row),
      expiresAt: row.expires_at ?? undefined,
      standing: standingOf(row),
    };
  }
}

function standingOf(row: PageRow): MovedBacklog | MovedOutcome {
  const { state, finished_at, result, result_type, response, error_code, error_message } = row;
  if (state === null)
    return {
      kind: "backlog",
      dueAt: row.due_at ?? 0,
      crashes: row.crashes ?? 0,
      isFirst: row.kind === 1 || (row.kind === 2 && row.started_at === null),
      isLined: row.is_lined === 1,
    };
  return {
    kind: "outcome",
    state,
    finishedAt: finished_at ?? 0,
    result: result === null ? undefined : { contentType: result_type ?? "", bytes: result },
    response: response ?? undefined,
    failure: error_code === null ? undefined : { code: error_code, message: error_message ?? "" },
  };
}

function callbackOf({ callback_url: url, callback_round, is_callback_told }: PageRow): MovedCallback | undefined {
  return url === null ? undefined : { url, round: callback_round ?? 0, isTold: is_callback_told === 1 };
}
