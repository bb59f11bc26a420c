// What the models of the statements have in common. A model does to the tables what its statement does in PostgreSQL.
import type { Session } from "./session.ts";
import type { Sequence } from "./sequences.ts";
import type { OutcomeRow, Tables, TallyRow } from "./tables.ts";

export type Row = Readonly<Record<string, unknown>>;

/** What a statement sees and changes. */
export interface Scope {
  /** The snapshot it began with. */
  readonly seen: Tables;
  /** The rows as they are when it changes them: others may have committed since the snapshot. */
  readonly db: Tables;
  readonly values: readonly unknown[];
  readonly session: Session;
  /** The server's clock, in milliseconds since 1970. */
  readonly clockMs: number;
  readonly tokens: Sequence;
  readonly outboxNos: Sequence;
  readonly lineNos: Sequence;
  readonly eventNos: Sequence;
  /** Whether a session of this number is connected. */
  readonly isConnected: (session: number) => boolean;
  /** Whether one waits for the standby. */
  readonly isWaiting: (session: unknown) => boolean;
  /** The settings that a commit rests on. */
  readonly restsOn: string;
}

export interface Model {
  readonly run: (scope: Scope) => Row[];
  /** Waits for a transaction that holds rows. */
  readonly isWrite: boolean;
  /** Others may commit between its snapshot and its changes. */
  readonly isRacy?: boolean;
  /** Its commit waits for nothing, whatever its session is set to. */
  readonly isQuick?: boolean;
}

export function reads(run: Model["run"]): Model {
  return { run, isWrite: false };
}

export function writes(run: Model["run"]): Model {
  return { run, isWrite: true };
}

/** Reads a snapshot, then changes rows, which others may have changed meanwhile. */
export function racyWrites(run: Model["run"]): Model {
  return { run, isWrite: true, isRacy: true };
}

/** A refusal with its SQLSTATE. */
export class Refusal extends Error {
  readonly code: string;
  readonly severity = "ERROR";

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Array parameters, as `unnest` makes rows of them. */
export function unnest<Fields extends readonly unknown[]>(...columns: { [At in keyof Fields]: unknown }): Fields[] {
  const arrays = columns as unknown as readonly (readonly unknown[])[];
  return Array.from(arrays[0] ?? [], (_, at) => arrays.map((column) => column[at] ?? null) as unknown as Fields);
}

type Counts = Partial<Omit<TallyRow, "member" | "queue">>;

export function count(db: Tables, { member, queue }: { member: number; queue: number }, added: Counts): void {
  const key = `${member} ${queue}`;
  const row = db.tallies.get(key) ?? { member, queue, accepted: 0, done: 0, dead: 0, cancelled: 0, backlog_bytes: 0 };
  db.tallies.put(key, {
    ...row,
    accepted: row.accepted + (added.accepted ?? 0),
    done: row.done + (added.done ?? 0),
    dead: row.dead + (added.dead ?? 0),
    cancelled: row.cancelled + (added.cancelled ?? 0),
    backlog_bytes: row.backlog_bytes + (added.backlog_bytes ?? 0),
  });
}

interface Listed {
  readonly id: string;
  readonly queue: number;
  readonly kind: string;
}

/** Rows of the outbox for what is to be told, one for each queue and kind. */
export function list({ db, outboxNos, clockMs }: Scope, told: readonly Listed[]): Row[] {
  const groups = [...Map.groupBy(told, ({ queue, kind }) => `${queue} ${kind}`)];
  groups.sort(([left], [right]) => (left < right ? -1 : 1)); // as PostgreSQL groups by sorting
  return groups.map(([, group]) => {
    const { queue, kind } = group[0] as Listed;
    const ids = group.map(({ id }) => id).sort();
    const row = { no: outboxNos.next(), queue, kind, ids, stored_at: clockMs };
    db.outbox.put(row.no, { ...row, taken_by: null });
    return row;
  });
}

export const noOutcome: Omit<OutcomeRow, "id" | "queue" | "state" | "attempts" | "started_at" | "finished_at"> = {
  token: null,
  request_bytes: null,
  content_type: null,
  result: null,
  response: null,
  error_code: null,
  error_message: null,
};

/** Substring as of bytea: from 1. */
export function cut(bytes: Buffer, at: number, length: number): Buffer {
  return bytes.subarray(at - 1, at - 1 + length);
}
