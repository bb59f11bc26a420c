// The queues' rows, kept in the writer's memory: counts by state, cursor, pause. What a transaction changes
// is written back inside that same transaction; a rollback reads the rows again.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { QueueBounds } from "../../engine/engine.ts";

export interface QueueRow {
  readonly no: number;
  readonly name: string;
  is_paused: number;
  /** Null while it is not paused. */
  paused_at: number | null;
  /** The last sequence number handed out: what lies after it waits. */
  cursor: number;
  /** The last sequence number accepted with a place of its own: see waiting.ts. */
  placed: number;
  accepted: number;
  running: number;
  scheduled: number;
  done: number;
  dead: number;
  cancelled: number;
  expired_done: number;
  expired_dead: number;
  expired_cancelled: number;
  backlog_bytes: number;
  replicas_asked: number | null;
  /** Rises each time that the row is written. */
  changes: number;
}

const INSERT = "INSERT INTO queues (name) VALUES (?) ON CONFLICT (name) DO NOTHING";
const SELECT = "SELECT * FROM queues ORDER BY no";
const UPDATE = `
  UPDATE queues SET is_paused = ?, paused_at = ?, cursor = ?, placed = ?, accepted = ?, running = ?, scheduled = ?, done = ?, dead = ?,
    cancelled = ?, expired_done = ?, expired_dead = ?, expired_cancelled = ?, backlog_bytes = ?, replicas_asked = ?,
    changes = ?
  WHERE no = ?`;

export class QueueLedger {
  readonly #select: StatementSync;
  readonly #update: StatementSync;
  readonly #bounds: ReadonlyMap<string, QueueBounds>;
  readonly #changed = new Set<QueueRow>();
  #position = 0;
  #byName = new Map<string, QueueRow>();
  #byNo = new Map<number, QueueRow>();

  constructor(db: DatabaseSync, queues: readonly QueueBounds[]) {
    const insert = db.prepare(INSERT);
    for (const { name } of queues) insert.run(name);
    this.#select = db.prepare(SELECT);
    this.#update = db.prepare(UPDATE);
    this.#bounds = new Map(queues.map((queue) => [queue.name, queue]));
    this.reload();
  }

  reload(): void {
    // SQLite's rows are slow objects: a copy is not, and every commit looks at the row of each queue that is waited for.
    const rows = (this.#select.all() as unknown as QueueRow[]).map((row) => ({ ...row }));
    this.#byName = new Map(rows.map((row) => [row.name, row]));
    this.#byNo = new Map(rows.map((row) => [row.no, row]));
    this.#changed.clear();
    this.#position = rows.reduce((sum, { changes }) => sum + changes, 0);
  }

  /** How far the store is: the changes of all rows since it began. */
  get position(): number {
    return this.#position;
  }

  named(name: string): QueueRow | undefined {
    return this.#byName.get(name);
  }

  numbered(no: number): QueueRow {
    return this.#byNo.get(no) as QueueRow;
  }

  all(): Iterable<QueueRow> {
    return this.#byName.values();
  }

  /** The row, noted as changed by the transaction under way. */
  change(row: QueueRow): QueueRow {
    this.#changed.add(row);
    return row;
  }

  hasRoom(row: QueueRow, count: number, bytes: number): boolean {
    const bounds = this.#bounds.get(row.name);
    if (bounds === undefined) return true;
    return backlogOf(row) + count <= bounds.backlogMax && row.backlog_bytes + bytes <= bounds.backlogBytesMax;
  }

  runningCount(): number {
    let count = 0;
    for (const row of this.#byName.values()) count += row.running;
    return count;
  }

  /** Writes the changed rows: the last step of a transaction before its commit. */
  flush(): void {
    for (const row of this.#changed) {
      row.changes += 1;
      this.#position += 1;
      this.#update.run(
        row.is_paused,
        row.paused_at,
        row.cursor,
        row.placed,
        row.accepted,
        row.running,
        row.scheduled,
        row.done,
        row.dead,
        row.cancelled,
        row.expired_done,
        row.expired_dead,
        row.expired_cancelled,
        row.backlog_bytes,
        row.replicas_asked,
        row.changes,
        row.no,
      );
    }
    this.#changed.clear();
  }
}

export function backlogOf(row: QueueRow): number {
  return row.accepted - row.done - row.dead - row.cancelled;
}
