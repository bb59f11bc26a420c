// Models of what holds the rows against each other and against the broker: lost-hints.ts, backlog.ts, audit.ts.
import { stateOf } from "./operate.ts";
import { highestId } from "../../../packages/sluice/src/engines/cluster/ledger/state.ts";
import { racyWrites, reads, unnest, writes, type Model, type Row, type Scope } from "./model.ts";
import type { Tables } from "./tables.ts";

export const auditModels: Readonly<Record<string, Model>> = {
  "was-crash": writes(({ db, values: [first], clockMs }) => {
    if (db.intactSince !== undefined) return [];
    db.intactSince = clockMs;
    for (const row of db.queues.values()) db.queues.put(row.no, { ...row, fresh_from: first as string });
    return [];
  }),
  "select-audited": reads(({ seen }) =>
    seen.queues.values().map((row) => {
      const own = seen.tallies.values().filter(({ queue }) => queue === row.no);
      const backlog = own.reduce(
        (sum, { accepted, done, dead, cancelled }) => sum + accepted - done - dead - cancelled,
        0,
      );
      return { ...row, is_empty: backlog === 0 };
    }),
  ),
  "put-back-from": writes(({ db, values: [no, from] }) => {
    const row = db.queues.get(no as number);
    if (row !== undefined) db.queues.put(row.no, { ...row, put_back_from: from as string | null });
    return [];
  }),
  "at-rabbitmq": writes(({ db, values: [no, isAtRabbitmq] }) => {
    const row = db.queues.get(no as number);
    if (row !== undefined) db.queues.put(row.no, { ...row, is_at_rabbitmq: isAtRabbitmq === true });
    return [];
  }),
  "fresh-from": writes(({ db, values: [nos, marks, founds] }) => {
    for (const [no, mark, found] of unnest<[number, string, string]>(nos, marks, founds)) {
      const row = db.queues.get(no);
      if (row !== undefined && row.fresh_from === found && row.fresh_from < mark)
        db.queues.put(row.no, { ...row, fresh_from: mark });
    }
    return [];
  }),
  unhint: racyWrites(({ seen, db, values: [queue, now, dueAt, id, most, isFirst] }) => {
    const page = seen.schedule
      .values()
      .filter((row) => row.queue === queue && row.is_hinted && row.is_first === isFirst && !seen.running.has(row.id))
      .filter((row) => row.due_at > (dueAt as number) || (row.due_at === dueAt && row.id > (id as string)))
      .sort(byDue)
      .slice(0, most as number);
    for (const { id: own } of page) {
      const row = db.schedule.get(own);
      if (row?.is_hinted !== true) continue;
      db.schedule.put(own, { ...row, is_hinted: false, due_at: Math.min(row.due_at, now as number) });
    }
    return page.slice((most as number) - 1).map((row) => ({ due_at: row.due_at, id: row.id }));
  }),
  "oldest-hinted": reads(({ seen, values: [queue] }) =>
    [false, true].flatMap((isFirst) =>
      seen.schedule
        .values()
        .filter((row) => row.queue === queue && row.is_hinted && row.is_first === isFirst && !seen.running.has(row.id))
        .sort(byDue)
        .slice(0, 1)
        .map(({ id, is_first }) => ({ id, is_first })),
    ),
  ),
  "is-overtaken": reads(({ seen, values: [queue, id] }) => [
    { is_overtaken: seen.running.values().some((row) => row.queue === queue && row.id > (id as string)) },
  ]),
  "backlog-first-pages": reads(({ seen, values: [nos, ats, rows] }) =>
    unnest<[number, string]>(nos, ats).map(([queue, from]) => {
      const end = pageEnd(seen, { queue, from, rows }) ?? null;
      const [first = null] = fresh(seen, { queue, from, before: end ?? highestId });
      return { no: queue, page_end: end, first };
    }),
  ),
  "backlog-page-end": reads(({ seen, values: [queue, from, rows] }) => {
    const id = pageEnd(seen, { queue, from, rows });
    return id === undefined ? [] : [{ id }];
  }),
  "backlog-fresh-in-page": reads(({ seen, values: [queue, from, before, most] }) =>
    fresh(seen, { queue, from, before })
      .slice(0, most as number)
      .map((id) => ({ id })),
  ),
  "audit-queues": reads(({ seen }) =>
    seen.queues.values().map(({ no, name, is_paused, fresh_from }) => {
      const own = seen.tallies.values().filter(({ queue }) => queue === no);
      const accepted = own.reduce((sum, row) => sum + row.accepted, 0);
      return { no, name, is_paused, fresh_from, accepted, expired_done: 0, expired_dead: 0, expired_cancelled: 0 };
    }),
  ),
  "slice-end": reads(({ seen, values: [from, before, offset] }) =>
    [...seen.requests.rows.keys()]
      .filter((id) => id >= (from as string) && id < (before as string))
      .sort()
      .slice(offset as number, (offset as number) + 1)
      .map((id) => ({ id })),
  ),
  "audit-requests": reads(auditRequests),
  "audit-outcomes": reads(({ seen, values: [from, before] }) => {
    const inSlice = seen.outcomes.values().filter(({ id }) => id >= (from as string) && id < (before as string));
    return counted(inSlice.map(({ queue, state }) => ({ queue, counted: state })));
  }),
  "audit-running": reads(({ seen }) =>
    counted(
      seen.running
        .values()
        .filter(({ id }) => !seen.outcomes.has(id))
        .map(({ queue }) => ({ queue, counted: "running" })),
    ),
  ),
  "audit-schedule": reads(({ seen, values: [now] }) =>
    counted(
      seen.schedule
        .values()
        .filter(({ id }) => !seen.running.has(id) && !seen.outcomes.has(id))
        .map(({ queue, id }) => ({ queue, counted: stateOf(seen, id, now as number) ?? "waiting" })),
    ),
  ),
};

interface Due {
  readonly due_at: number;
  readonly id: string;
}

function byDue(left: Due, right: Due): number {
  return left.due_at - right.due_at || (left.id < right.id ? -1 : 1);
}

/** What comes after so many of a queue. */
function pageEnd(
  seen: Tables,
  { queue, from, rows }: { queue: unknown; from: unknown; rows: unknown },
): string | undefined {
  const own = seen.requests.values().filter((row) => row.queue === queue && row.id >= (from as string));
  return own.map(({ id }) => id).sort()[rows as number];
}

/** What waits for its first delivery, the oldest first. */
function fresh(seen: Tables, { queue, from, before }: { queue: unknown; from: unknown; before: unknown }): string[] {
  return seen.requests
    .values()
    .filter(({ id, queue: own }) => own === queue && id >= (from as string) && id < (before as string))
    .filter(({ id }) => !seen.outcomes.has(id) && !seen.running.has(id) && !seen.schedule.has(id))
    .map(({ id }) => id)
    .sort();
}

function auditRequests({ seen, values: [from, before] }: Scope): Row[] {
  const all = seen.requests.values().filter(({ id }) => id >= (from as string) && id < (before as string));
  const isFresh = ({ id }: { readonly id: string }): boolean =>
    !seen.outcomes.has(id) && !seen.running.has(id) && !seen.schedule.has(id);
  return [...Map.groupBy(all, ({ queue }) => queue)].flatMap(([queue, own]) => [
    { queue, counted: "stored", count: own.length },
    { queue, counted: "waiting", count: own.filter(isFresh).length },
  ]);
}

function counted(rows: readonly { readonly queue: number; readonly counted: string }[]): Row[] {
  const groups = Map.groupBy(rows, ({ queue, counted: what }) => `${queue} ${what}`);
  return [...groups.values()].map((group) => ({ ...group[0], count: group.length }));
}
