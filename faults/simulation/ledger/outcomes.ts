// Models of what ends a claim: settle.ts, retry.ts, give-back.ts, scheduler.ts.
import {
  count,
  cut,
  list,
  noOutcome,
  racyWrites,
  reads,
  Refusal,
  unnest,
  writes,
  type Model,
  type Row,
  type Scope,
} from "./model.ts";
import { schedule, unschedule } from "./lines.ts";
import { signOf, type ExpiryRow, type OutcomeRow, type RunningRow, type ScheduleRow, type Tables } from "./tables.ts";

export const outcomeModels: Readonly<Record<string, Model>> = {
  settle: racyWrites((scope) => conclude(scope, releaseSettled(scope))),
  "settle-forgotten": racyWrites((scope) => conclude(scope, forgottenSettled(scope))),
  "own-outcomes": writes(({ db, seen, values: [ids, tokens, no] }) => {
    const member = db.members.get(no as number);
    if (member === undefined) return [];
    db.members.put(member.no, { ...member });
    return unnest<[string, number]>(ids, tokens).flatMap(([id, token]) =>
      seen.outcomes.get(id)?.token === token ? [{ id, token }] : [],
    );
  }),
  retry: racyWrites((scope) => putBack(scope, releaseRetried(scope))),
  "retry-forgotten": racyWrites((scope) => putBack(scope, forgottenRetried(scope))),
  "hint-due": racyWrites(hintDue),
  "hold-expired": racyWrites(holdExpired),
  expire: racyWrites(expire),
  "hand-back": racyWrites((scope) => giveBack(scope, new Set([scope.values[4] as number]))),
  reap: racyWrites(reap),
  "members-heard": reads(({ seen, values: [by] }) =>
    seen.members
      .values()
      .filter(({ no }) => no !== by)
      .map((row) => ({ no: row.no, sign: signOf(row) })),
  ),
  "look-for-due": reads(({ seen, values: [now, apartMs] }) => {
    const waits = seen.schedule.values().filter((row) => !row.is_hinted);
    const hinted = waits.filter(({ in_line }) => in_line !== 1);
    const limit = (now as number) + (apartMs as number);
    return [
      {
        next_due_at: hinted.map(({ due_at }) => due_at).sort((left, right) => left - right)[0] ?? null,
        is_ahead: waits.some(({ stored_at }) => stored_at > limit),
        is_busy: seen.running.values().length > 0,
        is_late: pastIn(seen, now as number).length > 0,
      },
    ];
  }),
  "bound-waits": writes(({ db, values: [now, apartMs] }) => {
    const [at, most] = [now as number, (now as number) + (apartMs as number)];
    for (const row of db.schedule.values()) {
      if (row.is_hinted || row.stored_at <= most) continue;
      const due_at = at + Math.max(0, row.due_at - row.stored_at);
      db.schedule.put(row.id, { ...row, due_at, stored_at: at });
      const lined = row.in_line === 1 ? db.lined.get(row.id) : undefined;
      if (lined?.state === "later") db.lined.put(row.id, { ...lined, due_at });
    }
    return [];
  }),
  "fold-tallies": writes(({ db }) => {
    for (const row of db.tallies.values()) {
      if (row.member === 0 || db.members.has(row.member)) continue;
      db.tallies.remove(`${row.member} ${row.queue}`);
      count(db, { member: 0, queue: row.queue }, row);
    }
    return [];
  }),
};

interface Settled {
  readonly id: string;
  readonly token: number;
  readonly queue: number;
  readonly attempts: number;
  readonly started_at: number | null;
  readonly bytes: number;
  readonly state: string;
  readonly content_type: string | null;
  readonly result: Buffer | null;
  readonly response: string | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
}

type SettleInput = Omit<Settled, "queue" | "attempts" | "started_at" | "bytes">;

function settleInput({ values }: Scope): SettleInput[] {
  const [ids, tokens, states, types, ats, sizes, results, codes, messages, , , responses] = values;
  type Text = string | null;
  type Columns = [string, number, string, Text, number | null, number | null, Text, Text, Text];
  const rows = unnest<Columns>(ids, tokens, states, types, ats, sizes, responses, codes, messages);
  return rows.map(([id, token, state, content_type, at, bytes, response, error_code, error_message]) => {
    const result = at === null ? null : cut(results as Buffer, at, bytes ?? 0);
    return { id, token, state, content_type, result, response, error_code, error_message };
  });
}

function releaseSettled(scope: Scope): Settled[] {
  const { db } = scope;
  return settleInput(scope).flatMap((input) => {
    const row = db.running.get(input.id);
    if (row?.token !== input.token) return [];
    db.running.remove(input.id);
    return [{ ...input, queue: row.queue, attempts: row.attempts, started_at: row.started_at, bytes: row.bytes }];
  });
}

function forgottenSettled(scope: Scope): Settled[] {
  const { seen } = scope;
  return settleInput(scope).flatMap((input) => {
    const request = seen.requests.get(input.id);
    const back = seen.schedule.get(input.id);
    if (request === undefined || (back !== undefined && back.token >= input.token)) return [];
    if (seen.running.has(input.id)) return [];
    const { queue, bytes } = request;
    return [{ ...input, queue, attempts: back?.attempts ?? 0, started_at: back?.started_at ?? null, bytes }];
  });
}

function conclude(scope: Scope, released: readonly Settled[]): Row[] {
  const { seen, db, values } = scope;
  const [now, member] = values.slice(9) as [number, number];
  const settled: Row[] = [];
  for (const { bytes, attempts, ...row } of released) {
    if (seen.schedule.has(row.id)) unschedule(scope, row.id);
    if (db.outcomes.has(row.id)) continue; // the first one wins
    const outcome = { ...row, attempts: attempts + 1, finished_at: now, request_bytes: bytes } satisfies OutcomeRow;
    db.outcomes.put(row.id, outcome);
    count(db, { member, queue: row.queue }, { [row.state]: 1, backlog_bytes: -bytes });
    settled.push({ id: row.id, token: row.token });
  }
  return settled;
}

interface Retried {
  readonly id: string;
  readonly token: number;
  readonly queue: number;
  readonly attempts: number;
  readonly crashes: number;
  readonly started_at: number | null;
  readonly due_at: number;
  readonly is_counted: boolean;
  readonly code: string | null;
  readonly message: string | null;
  readonly has_begun: boolean;
}

type RetryInput = Omit<Retried, "queue" | "attempts" | "crashes" | "started_at">;

function retryInput({ values: [ids, tokens, dues, counted, codes, messages, , begun] }: Scope): RetryInput[] {
  type Columns = [string, number, number, boolean, string | null, string | null, boolean];
  return unnest<Columns>(ids, tokens, dues, counted, codes, messages, begun).map(
    ([id, token, due_at, is_counted, code, message, has_begun]) => {
      return { id, token, due_at, is_counted, code, message, has_begun };
    },
  );
}

function releaseRetried(scope: Scope): Retried[] {
  const { db } = scope;
  return retryInput(scope).flatMap((input) => {
    const row = db.running.get(input.id);
    if (row?.token !== input.token) return [];
    db.running.remove(input.id);
    const { queue, attempts, crashes, started_at } = row;
    return [{ ...input, queue, attempts, crashes, started_at }];
  });
}

function forgottenRetried(scope: Scope): Retried[] {
  const { seen } = scope;
  return retryInput(scope).flatMap((input) => {
    const request = seen.requests.get(input.id);
    const back = seen.schedule.get(input.id);
    if (request === undefined || (back !== undefined && back.token >= input.token)) return [];
    if (seen.running.has(input.id) || seen.outcomes.has(input.id)) return [];
    const { attempts = 0, crashes = 0, started_at = null } = back ?? {};
    return [{ ...input, queue: request.queue, attempts, crashes, started_at }];
  });
}

function putBack(scope: Scope, released: readonly Retried[]): Row[] {
  const { seen, db, values } = scope;
  const now = values[6] as number;
  const waiting = released.filter(({ id }) => !seen.outcomes.has(id));
  if (new Set(waiting.map(({ id }) => id)).size < waiting.length)
    throw new Refusal("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time");
  const scheduled = waiting.map(({ id, token, queue, attempts, crashes, started_at, due_at, is_counted, code }) => {
    const row = {
      id,
      queue,
      due_at,
      attempts: attempts + (is_counted ? 1 : 0),
      crashes: code === null ? crashes : 0,
      started_at,
      token,
      is_hinted: due_at <= now,
      is_first: false,
      stored_at: now,
    };
    return schedule(scope, row);
  });
  for (const { id, attempts, code, message } of released) {
    if (code === null) continue;
    db.failures.put(`${id} ${attempts + 1}`, { id, attempt: attempts + 1, code, message: message ?? "" });
  }
  for (const { id, has_begun } of released) if (has_begun) db.expiries.remove(id);
  return [
    ...scheduled.map(({ id, token }) => ({ what: "scheduled", id, token })),
    ...list(scope, scheduled.filter(({ is_hinted }) => is_hinted).map(hintOf)).map((row) => ({
      what: "listed",
      ...row,
    })),
  ];
}

function hintOf({ id, queue, crashes, is_first }: ScheduleRow): { id: string; queue: number; kind: string } {
  return { id, queue, kind: crashes > 1 ? "suspect" : is_first ? "fresh" : "again" };
}

function hintDue(scope: Scope): Row[] {
  const { seen, db, values } = scope;
  const [now, most] = values as [number, number];
  const due = seen.schedule
    .values()
    .filter((row) => !row.is_hinted && row.in_line !== 1 && row.due_at <= now)
    .sort((left, right) => left.due_at - right.due_at)
    .slice(0, most);
  const hinted = due.flatMap(({ id }) => {
    const row = db.schedule.get(id);
    if (row === undefined || row.is_hinted) return [];
    db.schedule.put(id, { ...row, is_hinted: true });
    return [hintOf(row)];
  });
  return list(scope, hinted);
}

/** What is past its time and does not run. */
function pastIn(seen: Tables, now: number): ExpiryRow[] {
  return seen.expiries.values().filter(({ id, expires_at }) => expires_at <= now && !seen.running.has(id));
}

/** Some attempt of it counts, or it was in flight when its worker died. */
export function hasBegun(tables: Tables, id: string): boolean {
  const { attempts, crashes } = tables.schedule.get(id) ?? { attempts: 0, crashes: 0 };
  return attempts + crashes > 0;
}

function holdExpired({ seen, db, values, tokens }: Scope): Row[] {
  const [now, most, member] = values as [number, number, number];
  const past = pastIn(seen, now)
    .sort((left, right) => left.expires_at - right.expires_at || (left.id < right.id ? -1 : 1))
    .slice(0, most);
  const [decided, open] = [true, false].map((isDecided) =>
    past.filter(({ id }) => (seen.outcomes.has(id) || hasBegun(seen, id)) === isDecided).map(({ id }) => id),
  ) as [string[], string[]];
  for (const id of decided) db.expiries.remove(id);
  return open.sort().flatMap((id) => {
    const request = seen.requests.get(id);
    const token = tokens.next();
    if (request === undefined || db.running.has(id)) return [];
    const { queue, bytes } = request;
    db.running.put(id, { id, token, member, queue, attempts: 0, crashes: 0, started_at: 0, bytes });
    return [{ id }];
  });
}

function expire(scope: Scope): Row[] {
  const { seen, db, values } = scope;
  const [ids, now, member, error_code, error_message] = values as [readonly string[], number, number, string, string];
  return ids.flatMap((id) => {
    db.running.remove(id);
    const request = seen.requests.get(id);
    const isDecided = seen.expiries.has(id) && db.expiries.remove(id) !== undefined;
    if (!isDecided || request === undefined || hasBegun(seen, id) || db.outcomes.has(id)) return [];
    const { queue, bytes } = request;
    const outcome = {
      ...noOutcome,
      error_code,
      error_message,
      id,
      queue,
      state: "dead",
      attempts: 0,
      started_at: null,
    };
    db.outcomes.put(id, { ...outcome, finished_at: now });
    if (seen.schedule.has(id)) unschedule(scope, id);
    count(db, { member, queue }, { dead: 1, backlog_bytes: -bytes });
    return [{ id }];
  });
}

function reap(scope: Scope): Row[] {
  const { seen, db, values, isConnected } = scope;
  const silent = unnest<[number, number, boolean]>(values[4], values[5], values[6]);
  const dead = silent.flatMap(([no, sign, isLong]) => {
    const row = db.members.get(no);
    const backend = row?.backend ?? undefined;
    const isDead = isLong || (backend !== undefined && !isConnected(backend));
    return row !== undefined && signOf(row) === sign && isDead ? [row] : [];
  });
  for (const { no } of dead) db.members.remove(no);
  const claimers = seen.running.values().map(({ member }) => member);
  const gone = claimers.filter((no) => dead.some((one) => one.no === no) || !seen.members.has(no));
  return giveBack(scope, new Set(gone));
}

function giveBack(scope: Scope, gone: ReadonlySet<number>): Row[] {
  const { seen, db, values, clockMs } = scope;
  const [now, added, crashesMax, by] = values as [number, number, number, number];
  const lost: RunningRow[] = [];
  for (const row of seen.running.values()) {
    if (!gone.has(row.member) || db.running.get(row.id)?.token !== row.token) continue;
    db.running.remove(row.id);
    lost.push({ ...row, crashes: row.crashes + added });
  }
  const scheduled: ScheduleRow[] = [];
  for (const { id, queue, attempts, crashes, started_at, token, bytes } of lost) {
    if (crashes >= crashesMax) {
      if (db.outcomes.has(id)) continue;
      if (seen.schedule.has(id)) unschedule(scope, id);
      const error = { error_code: "poison", error_message: `its worker died ${crashes} times while it ran` };
      const outcome = { ...noOutcome, ...error, id, queue, state: "dead", attempts, started_at, finished_at: now };
      db.outcomes.put(id, outcome);
      count(db, { member: by, queue }, { dead: 1, backlog_bytes: -bytes });
    } else if (!seen.outcomes.has(id)) {
      const stored_at = db.schedule.get(id)?.stored_at ?? clockMs;
      const place = { due_at: now, token, is_hinted: true, is_first: false, stored_at };
      scheduled.push(schedule(scope, { id, queue, attempts, crashes, started_at, ...place }));
    }
  }
  return list(scope, scheduled.filter(({ is_hinted }) => is_hinted).map(hintOf));
}
