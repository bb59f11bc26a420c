// The ledger's tables in memory: immutable rows under their keys, and a journal of what a transaction changed.

export interface QueueRow {
  readonly no: number;
  readonly name: string;
  readonly is_paused: boolean;
  readonly fresh_from: string;
  readonly put_back_from: string | null;
  readonly is_at_rabbitmq: boolean;
  /** Its settings as JSON, once it has lines. */
  readonly lines: string | null;
}

export interface RequestRow {
  readonly id: string;
  readonly queue: number;
  readonly key: string | null;
  readonly content_type: string;
  readonly headers: string | null;
  readonly bytes: number;
  readonly body: Buffer;
}

export interface LinkRow {
  readonly id: string;
  readonly last: string;
  readonly queue: number;
  readonly chain: string;
  readonly place: number;
  readonly previous: Buffer;
  readonly hash: Buffer;
  readonly digests: Buffer | null;
  readonly ids: readonly string[];
}

export interface OutcomeRow {
  readonly id: string;
  readonly queue: number;
  readonly state: string;
  readonly attempts: number;
  readonly started_at: number | null;
  readonly finished_at: number;
  readonly token: number | null;
  readonly request_bytes: number | null;
  readonly content_type: string | null;
  readonly result: Buffer | null;
  readonly response: string | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
}

export interface KeyRow {
  readonly queue: number;
  readonly key: string;
  readonly id: string;
  readonly fingerprint: Buffer;
}

export interface RunningRow {
  readonly id: string;
  readonly token: number;
  readonly member: number;
  readonly queue: number;
  readonly attempts: number;
  readonly crashes: number;
  readonly started_at: number;
  readonly bytes: number;
}

export interface ScheduleRow {
  readonly id: string;
  readonly queue: number;
  readonly due_at: number;
  readonly attempts: number;
  readonly crashes: number;
  readonly started_at: number | null;
  readonly token: number;
  readonly is_hinted: boolean;
  readonly is_first: boolean;
  readonly stored_at: number;
  readonly in_line: number;
}

export interface LinedRow {
  readonly id: string;
  readonly no: number;
  readonly queue: number;
  readonly grp: string;
  readonly urgency: number;
  readonly order_key: string | null;
  readonly since: number;
  readonly due_at: number;
  readonly is_again: boolean;
  readonly state: "new" | "behind" | "later" | "ready" | "handed";
}

export interface HeldOrderRow {
  readonly queue: number;
  readonly order_key: string;
  readonly id: string;
  readonly no: number;
  readonly since: number;
}

export interface LineEventRow {
  readonly no: number;
  readonly kind: string;
  readonly id: string | null;
  readonly queue: number | null;
  readonly name: string | null;
  readonly place: number | null;
}

export interface ExpiryRow {
  readonly id: string;
  readonly expires_at: number;
}

export interface FailureRow {
  readonly id: string;
  readonly attempt: number;
  readonly code: string;
  readonly message: string;
}

export interface OutboxRow {
  readonly no: number;
  readonly queue: number;
  readonly kind: string;
  readonly ids: readonly string[];
  readonly stored_at: number;
  /** The member that has it. */
  readonly taken_by: number | null;
}

export interface TallyRow {
  readonly member: number;
  readonly queue: number;
  readonly accepted: number;
  readonly done: number;
  readonly dead: number;
  readonly cancelled: number;
  readonly backlog_bytes: number;
}

export interface MemberRow {
  readonly no: number;
  readonly name: string;
  readonly seen_at: number;
  readonly workers: string;
  readonly attending: string;
  readonly carriers: string;
  /** The session that its last beat came by. */
  readonly backend: number | null;
}

export interface LeaderRow {
  readonly scope: string;
  readonly term: number;
  readonly holder: string | null;
  readonly renewed_at: number;
  readonly expires_at: number;
}

/** What a member's beats change, in microseconds. */
export function signOf({ seen_at }: MemberRow): number {
  return Math.round(seen_at * 1_000);
}

/** A row that was there before, is there after, or both. */
export interface Changed {
  readonly table: TableName;
  readonly key: unknown;
  readonly before: unknown;
  readonly after: unknown;
}

class Table<Key, Row> {
  readonly rows: Map<Key, Row>;
  readonly #name: TableName;
  readonly #journal: Changed[];

  constructor(name: TableName, journal: Changed[], rows = new Map<Key, Row>()) {
    this.#name = name;
    this.#journal = journal;
    this.rows = rows;
  }

  get(key: Key): Row | undefined {
    return this.rows.get(key);
  }

  has(key: Key): boolean {
    return this.rows.has(key);
  }

  values(): Row[] {
    return [...this.rows.values()];
  }

  put(key: Key, row: Row): void {
    this.#journal.push({ table: this.#name, key, before: this.rows.get(key), after: row });
    this.rows.set(key, row);
  }

  remove(key: Key): Row | undefined {
    const before = this.rows.get(key);
    if (before === undefined) return undefined;
    this.#journal.push({ table: this.#name, key, before, after: undefined });
    this.rows.delete(key);
    return before;
  }
}

export type TableName = Exclude<keyof Tables, "journal" | "clone" | "apply" | "intactSince" | "forgetClaims">;

export class Tables {
  readonly journal: Changed[] = [];
  readonly queues = new Table<number, QueueRow>("queues", this.journal);
  readonly requests = new Table<string, RequestRow>("requests", this.journal);
  readonly links = new Table<string, LinkRow>("links", this.journal);
  readonly outcomes = new Table<string, OutcomeRow>("outcomes", this.journal);
  readonly keys = new Table<string, KeyRow>("keys", this.journal);
  /** Unlogged. */
  readonly running = new Table<string, RunningRow>("running", this.journal);
  readonly schedule = new Table<string, ScheduleRow>("schedule", this.journal);
  readonly expiries = new Table<string, ExpiryRow>("expiries", this.journal);
  readonly lined = new Table<string, LinedRow>("lined", this.journal);
  readonly held_orders = new Table<string, HeldOrderRow>("held_orders", this.journal);
  /** Its one row is the number of its last round. */
  readonly feeder = new Table<number, number>("feeder", this.journal);
  readonly line_events = new Table<number, LineEventRow>("line_events", this.journal);
  readonly failures = new Table<string, FailureRow>("failures", this.journal);
  readonly outbox = new Table<number, OutboxRow>("outbox", this.journal);
  readonly tallies = new Table<string, TallyRow>("tallies", this.journal);
  readonly members = new Table<number, MemberRow>("members", this.journal);
  readonly leaders = new Table<string, LeaderRow>("leaders", this.journal);
  /** What handlers of transactional queues wrote, by tag. */
  readonly effects = new Table<number, number>("effects", this.journal);
  /** The one row of the unlogged table intact. */
  intactSince: number | undefined;

  /** As it is now: what is changed in the one is not changed in the other. */
  clone(): Tables {
    const copy = new Tables();
    const pairs: readonly [Map<unknown, unknown>, Map<unknown, unknown>][] = [
      [this.queues.rows, copy.queues.rows],
      [this.requests.rows, copy.requests.rows],
      [this.links.rows, copy.links.rows],
      [this.outcomes.rows, copy.outcomes.rows],
      [this.keys.rows, copy.keys.rows],
      [this.running.rows, copy.running.rows],
      [this.schedule.rows, copy.schedule.rows],
      [this.expiries.rows, copy.expiries.rows],
      [this.lined.rows, copy.lined.rows],
      [this.held_orders.rows, copy.held_orders.rows],
      [this.line_events.rows, copy.line_events.rows],
      [this.feeder.rows, copy.feeder.rows],
      [this.failures.rows, copy.failures.rows],
      [this.outbox.rows, copy.outbox.rows],
      [this.tallies.rows, copy.tallies.rows],
      [this.members.rows, copy.members.rows],
      [this.leaders.rows, copy.leaders.rows],
      [this.effects.rows, copy.effects.rows],
    ];
    for (const [from, to] of pairs) for (const [key, row] of from) to.set(key, row);
    copy.intactSince = this.intactSince;
    return copy;
  }

  /** What was changed in others is changed here, but for what is unlogged. */
  apply(changed: readonly Changed[]): void {
    for (const { table, key, after } of changed) {
      if (table === "running") continue;
      const rows: Map<unknown, unknown> = this[table].rows;
      if (after === undefined) rows.delete(key);
      else rows.set(key, after);
    }
  }

  /** What a crash of the server does to its unlogged tables. */
  forgetClaims(): void {
    for (const id of this.running.rows.keys()) this.running.remove(id);
    this.intactSince = undefined;
  }
}
