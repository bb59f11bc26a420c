// Reads a data folder out, page by page, for a move into a cluster. It owns the folder meanwhile, so that nothing in it
// changes, and marks it before the first page leaves: from then on nobody may run its requests here.
import { closeSync, existsSync, fsyncSync, openSync, renameSync, writeFileSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { SluiceError } from "../../core/errors.ts";
import type { GroupOverride } from "../../core/line-settings.ts";
import type { State } from "../../core/request.ts";
import { requestIdOf } from "../../core/request-id.ts";
import type { AuditReport } from "../../engine/audit.ts";
import type { ComparedRequest, MovedPage, MovedQueue } from "../../engine/moved.ts";
import { prepareAudit } from "./audit.ts";
import { setIdentity, whereIs } from "./examine.ts";
import { openStore } from "./open-store.ts";
import { lockFolder, movedMarkIn, readMovedMark } from "./owner.ts";
import { Pages } from "./pages.ts";
import { QueueLedger, type QueueRow } from "./queue-ledger.ts";
import { Lines } from "./lines.ts";
import { recoverRunning } from "./recover.ts";
import { STATE } from "./state.ts";
import { privateMode, storeFileIn } from "./store-file.ts";

const COUNT = "SELECT count(*) AS n FROM requests WHERE seq <= ?";
const SELECT_COMPARED = `
  SELECT r.seq, r.random, r.queue, r.key, ${STATE} AS state
  FROM requests r
  LEFT JOIN outcomes o ON o.seq = r.seq
  LEFT JOIN running n ON n.seq = r.seq
  LEFT JOIN scheduled s ON s.seq = r.seq
  WHERE r.seq > :after ORDER BY r.seq LIMIT :limit`;

const GROUPS = "SELECT queue, grp, settings FROM group_settings";

const comparedRows = 2_000;
/** Who has crashed too often ends in the cluster, which knows whether it holds its order key then. */
const crashesMax = Number.POSITIVE_INFINITY;

export class MoveOut implements Disposable {
  readonly identity: number;
  readonly queues: readonly MovedQueue[];
  readonly #folder: string;
  readonly #db: DatabaseSync;
  readonly #pages: Pages;
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
    const db = resources.adopt(openStore(folder, undefined), (opened) => opened.close());
    const rows = takeStock(db);
    return new MoveOut({ folder, db, rows, resources: resources.move() });
  }

  private constructor({ folder, db, rows, resources }: Opened) {
    this.#folder = folder;
    this.#db = db;
    this.#resources = resources;
    this.#names = new Map(rows.map(({ no, name }) => [no, name]));
    this.#pages = new Pages(db, this.#names);
    this.identity = whereIs(db).store;
    const groups = Map.groupBy(db.prepare(GROUPS).all() as unknown as readonly GroupRow[], ({ queue }) => queue);
    this.queues = rows
      .filter((row) => row.accepted > 0 || row.is_paused !== 0 || groups.has(row.no))
      .map((row) => queueOf(row, groups.get(row.no) ?? []));
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
    return this.#pages.page(after);
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
  recoverRunning({ db, queues, lines: new Lines(db, new Map()), now: Date.now }, crashesMax);
  queues.flush();
  setIdentity(db, false);
  db.exec("COMMIT");
  return [...queues.all()];
}

interface GroupRow {
  readonly queue: number;
  readonly grp: string;
  readonly settings: string;
}

function queueOf(row: QueueRow, groups: readonly GroupRow[]): MovedQueue {
  const { name, is_paused, paused_at, expired_done: done, expired_dead: dead, expired_cancelled: cancelled } = row;
  return {
    name,
    isPaused: is_paused !== 0,
    pausedAt: paused_at ?? undefined,
    expired: { done, dead, cancelled },
    groups: groups.map(({ grp: group, settings }) => ({ group, override: JSON.parse(settings) as GroupOverride })),
  };
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
