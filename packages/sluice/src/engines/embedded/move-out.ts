// Reads a data folder out, page by page, for a move into a cluster. It owns the folder meanwhile, so that nothing in it
// changes, and marks it before the first page leaves: from then on nobody may run its requests here.
import { closeSync, existsSync, fsyncSync, openSync, renameSync, writeFileSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { SluiceError } from "../../core/errors.ts";
import type { FinalState, State } from "../../core/request.ts";
import { requestIdOf } from "../../core/request-id.ts";
import type { AuditReport } from "../../engine/audit.ts";
import type {
  ComparedRequest,
  MovedBacklog,
  MovedCallback,
  MovedFailure,
  MovedOutcome,
  MovedPage,
  MovedQueue,
  MovedRequest,
} from "../../engine/moved.ts";
import { prepareAudit } from "./audit.ts";
import { setIdentity } from "./examine.ts";
import { openStore } from "./open-store.ts";
import { lockFolder, movedMarkIn, readMovedMark } from "./owner.ts";
import { QueueLedger, type QueueRow } from "./queue-ledger.ts";
import { recoverRunning } from "./recover.ts";
import { STATE } from "./state.ts";
import { privateMode, storeFileIn } from "./store-file.ts";

const SELECT_IDENTITY = "SELECT value FROM meta WHERE name = 'identity'";
const COUNT = "SELECT count(*) AS n FROM requests WHERE seq <= ?";
const SELECT_PAGE = `
  SELECT r.seq, r.random, r.queue, r.key, k.fingerprint, r.content_type, r.headers, r.body, o.state,
    coalesce(o.attempts, s.attempts, 0) AS attempts, coalesce(o.started_at, s.started_at) AS started_at,
    o.finished_at, o.content_type AS result_type, o.result, o.response, o.error_code, o.error_message, s.due_at, s.crashes,
    c.url AS callback_url, c.round AS callback_round, c.is_told AS is_callback_told
  FROM requests r
  LEFT JOIN keys k ON k.queue = r.queue AND k.key = r.key
  LEFT JOIN outcomes o ON o.seq = r.seq
  LEFT JOIN scheduled s ON s.seq = r.seq
  LEFT JOIN callbacks c ON c.seq = r.seq
  WHERE r.seq > ? ORDER BY r.seq LIMIT ?`;
const SELECT_FAILURES = `
  SELECT seq, attempt, failed_at, code, message FROM failures WHERE seq BETWEEN ? AND ? ORDER BY seq, attempt`;
const SELECT_COMPARED = `
  SELECT r.seq, r.random, r.queue, r.key, ${STATE} AS state
  FROM requests r
  LEFT JOIN outcomes o ON o.seq = r.seq
  LEFT JOIN running n ON n.seq = r.seq
  LEFT JOIN scheduled s ON s.seq = r.seq
  WHERE r.seq > :after ORDER BY r.seq LIMIT :limit`;

const pageRows = 1_000;
/** Bodies and results of a page, beyond its first row's. */
const pageBytes = 8 * 1024 * 1024;
const comparedRows = 2_000;
/** As at a start: see recover.ts. */
const crashesMax = 5;

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
  readonly callback_url: string | null;
  readonly callback_round: number | null;
  readonly is_callback_told: number | null;
}

interface FailureRow {
  readonly seq: number;
  readonly attempt: number;
  readonly failed_at: number;
  readonly code: string;
  readonly message: string;
}

export class MoveOut implements Disposable {
  readonly identity: number;
  readonly queues: readonly MovedQueue[];
  readonly #folder: string;
  readonly #db: DatabaseSync;
  readonly #selectPage: StatementSync;
  readonly #selectFailures: StatementSync;
  readonly #names: ReadonlyMap<number, string>;
  readonly #resources: DisposableStack;

  /**
   * Errors: `folder-owned` while another process has the folder, `bad-config` where there is no store in it,
   * `store-damaged` when the store is not as far as its mark says.
   */
  static open(folder: string, owner: string): MoveOut {
    if (!existsSync(storeFileIn(folder)))
      throw new SluiceError("bad-config", `${folder} is no data folder: there is no sluice.db in it`);
    using resources = new DisposableStack();
    resources.adopt(lockFolder(folder, owner), (lock) => lock.release());
    const db = resources.adopt(openStore(folder), (opened) => opened.close());
    const rows = takeStock(db);
    return new MoveOut({ folder, db, rows, resources: resources.move() });
  }

  private constructor({ folder, db, rows, resources }: Opened) {
    this.#folder = folder;
    this.#db = db;
    this.#resources = resources;
    this.#selectPage = db.prepare(SELECT_PAGE);
    this.#selectFailures = db.prepare(SELECT_FAILURES);
    this.#names = new Map(rows.map(({ no, name }) => [no, name]));
    this.identity = Number(db.prepare(SELECT_IDENTITY).get()?.["value"]);
    this.queues = rows.filter((row) => row.accepted > 0 || row.is_paused !== 0).map(queueOf);
  }

  /** Requests up to there. */
  count(upTo = Number.MAX_SAFE_INTEGER): number {
    return Number(this.#db.prepare(COUNT).get(upTo)?.["n"]);
  }

  /** Marks the folder as moving to this place, or as moved. Errors: `bad-config` when it is moving elsewhere. */
  mark(to: string, progress: "begun" | "finished"): void {
    const before = readMovedMark(this.#folder);
    if (before !== undefined && before.to !== to) {
      const found = `the requests of ${this.#folder} have begun to move to ${before.to}, not to ${to}`;
      throw new SluiceError("bad-config", `${found}: finish there; remove its moved.json only if that cluster is gone`);
    }
    if (before?.finishedAt !== undefined || (before !== undefined && progress === "begun")) return;
    const now = new Date().toISOString();
    const mark = { to, startedAt: before?.startedAt ?? now, ...(progress === "finished" && { finishedAt: now }) };
    writeDurably(this.#folder, JSON.stringify(mark));
  }

  /** The requests that follow; undefined behind the last one. */
  page(after: number): MovedPage | undefined {
    const rows = this.#pageRows(after);
    const [first, last] = [rows[0], rows.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const failures = this.#failuresBetween(first.seq, last.seq);
    const requests = rows.map((row) => this.#requestOf(row, failures.get(row.seq) ?? []));
    return { requests, upTo: last.seq };
  }

  /** All requests behind this one, a page at a time, as they stand at that time. */
  *compared(after: number, now: number): Generator<readonly ComparedRequest[], void, undefined> {
    const select = this.#db.prepare(SELECT_COMPARED);
    for (let from = after; ;) {
      const rows = select.all({ after: from, now, limit: comparedRows });
      if (rows.length === 0) return;
      yield rows.map((row) => ({
        id: requestIdOf(row["seq"] as number, row["random"] as Uint8Array),
        queue: this.#nameOf(row["queue"] as number),
        key: (row["key"] as string | null) ?? undefined,
        state: row["state"] as State,
      }));
      from = rows.at(-1)?.["seq"] as number;
    }
  }

  audit(now: number): AuditReport {
    return prepareAudit(this.#db).audit(now, new Map());
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
  }

  #pageRows(after: number): PageRow[] {
    const rows: PageRow[] = [];
    let bytes = 0;
    for (const row of this.#selectPage.iterate(after, pageRows) as Iterable<unknown> as Iterable<PageRow>) {
      rows.push(row);
      bytes += row.body.byteLength + (row.result?.byteLength ?? 0);
      if (bytes > pageBytes) break;
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
      queue: this.#nameOf(row.queue),
      key: row.key ?? undefined,
      fingerprint: row.fingerprint ?? undefined,
      contentType: row.content_type,
      headers: row.headers ?? undefined,
      body: row.body,
      attempts: row.attempts,
      startedAt: row.started_at ?? undefined,
      failures,
      callback: callbackOf(row),
      standing: standingOf(row),
    };
  }

  #nameOf(queue: number): string {
    return this.#names.get(queue) as string;
  }
}

interface Opened {
  readonly folder: string;
  readonly db: DatabaseSync;
  readonly rows: readonly QueueRow[];
  readonly resources: DisposableStack;
}

/** Puts back what was in flight when the last owner died, as a start does: nothing is running from here on. */
function takeStock(db: DatabaseSync): readonly QueueRow[] {
  const queues = new QueueLedger(db, []);
  db.exec("BEGIN IMMEDIATE");
  recoverRunning({ db, queues, now: Date.now }, crashesMax);
  queues.flush();
  setIdentity(db);
  db.exec("COMMIT");
  return [...queues.all()];
}

function queueOf(row: QueueRow): MovedQueue {
  const { name, is_paused, paused_at, expired_done: done, expired_dead: dead, expired_cancelled: cancelled } = row;
  return { name, isPaused: is_paused !== 0, pausedAt: paused_at ?? undefined, expired: { done, dead, cancelled } };
}

function standingOf(row: PageRow): MovedBacklog | MovedOutcome {
  const { state, finished_at, result, result_type, response, error_code, error_message } = row;
  if (state === null) return { kind: "backlog", dueAt: row.due_at ?? 0, crashes: row.crashes ?? 0 };
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

/** The whole of it or what was there before, and on the disk when it returns. */
function writeDurably(folder: string, text: string): void {
  const file = movedMarkIn(folder);
  writeFileSync(`${file}.new`, text, { flush: true, mode: privateMode });
  renameSync(`${file}.new`, file);
  const descriptor = openSync(folder, "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}
