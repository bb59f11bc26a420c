// Models of what the feeder asks and changes, and of the triggers by which it hears of what ends: feeder-statements.ts, lines.ts.
import { racyWrites, reads, Refusal, unnest, writes, type Model, type Row, type Scope } from "./model.ts";
import type { LinedRow, LineEventRow, ScheduleRow, Tables } from "./tables.ts";

/** What takes a row out of the schedule: the trigger tells the feeder of one that stood in a line. */
export function unschedule(scope: Scope, id: string): ScheduleRow | undefined {
  const row = scope.db.schedule.remove(id);
  if (row !== undefined && row.in_line > 0) tell(scope, { kind: "left", id });
  return row;
}

/** What puts one there, or changes it: a claim that is given back stands in line again. Gives back the row as it is stored. */
export function schedule(scope: Scope, row: Omit<ScheduleRow, "in_line">): ScheduleRow {
  const before = scope.db.schedule.get(row.id);
  const isBack = before?.in_line === 2 && before.token !== row.token;
  const stored = isBack ? { ...row, in_line: 1, is_hinted: false } : { ...row, in_line: before?.in_line ?? 0 };
  scope.db.schedule.put(row.id, stored);
  if (isBack) tell(scope, { kind: "back", id: row.id });
  return stored;
}

export function tell({ db, eventNos }: Scope, event: Partial<LineEventRow> & { readonly kind: string }): void {
  const no = eventNos.next();
  db.line_events.put(no, { id: null, queue: null, name: null, place: null, ...event, no });
}

/** What a commit adds to the lines. */
type Added = [
  id: string,
  queue: number,
  grp: string,
  urgency: number,
  order: string | null,
  since: number,
  due: number,
];

/** The columns are those of a row. */
export function addLined({ db, lineNos }: Scope, columns: readonly unknown[], places?: readonly number[]): void {
  const rows = unnest<Added>(...(columns as Readonly<Added>));
  for (const [at, [id, queue, grp, urgency, order_key, since, due_at]] of rows.entries()) {
    const no = places?.[at] ?? lineNos.next();
    if (db.lined.has(id)) continue;
    db.lined.put(id, { id, no, queue, grp, urgency, order_key, since, due_at, is_again: false, state: "new" });
  }
}

export const lineModels: Readonly<Record<string, Model>> = {
  "configure-lines": writes((scope) => {
    const { db, values } = scope;
    const changed: Row[] = [];
    for (const [name, text] of unnest<[string, string]>(...(values as [unknown, unknown]))) {
      const row = db.queues.values().find((queue) => queue.name === name);
      if (row === undefined || sameJson(row.lines, text)) continue;
      db.queues.put(row.no, { ...row, lines: text });
      tell(scope, { kind: "said", queue: row.no });
      changed.push({ name });
    }
    return changed;
  }),
  "begin-lines": writes((scope) => {
    const { db, values } = scope;
    for (const no of values[0] as readonly number[]) {
      const row = db.queues.get(no);
      if (row?.lines !== null) continue;
      db.queues.put(no, { ...row, lines: "{}" });
      tell(scope, { kind: "said", queue: no });
    }
    return [];
  }),
  "group-bounds": reads(() => []), // nobody says anything of a group in these histories
  "feeder-look": reads(({ seen }) => [
    {
      round: seen.feeder.get(1) ?? null,
      has_news: seen.line_events.rows.size > 0 || seen.lined.values().some(({ state }) => state === "new"),
      next_due_at:
        seen.lined
          .values()
          .flatMap(({ state, due_at }) => (state === "later" ? [due_at] : []))
          .sort((left, right) => left - right)[0] ?? null,
    },
  ]),
  "feeder-advance": writes(({ db }) => {
    const round = (db.feeder.get(1) ?? 0) + 1;
    db.feeder.put(1, round);
    return [{ round }];
  }),
  "feeder-begun": reads(({ seen, values: [ids] }) =>
    (ids as readonly string[]).flatMap((id) => (seen.running.has(id) ? [{ id }] : [])),
  ),
  "feeder-events": reads(({ seen, values: [most] }) =>
    seen.line_events
      .values()
      .sort((left, right) => left.no - right.no)
      .slice(0, most as number)
      .map((row) => ({ ...row })),
  ),
  "feeder-delete-events": writes(({ db, values: [nos] }) => {
    for (const no of nos as readonly number[]) db.line_events.remove(no);
    return [];
  }),
  "feeder-left": racyWrites(({ seen, db, values: [ids] }) =>
    (ids as readonly string[]).flatMap((id) => {
      const row = db.lined.remove(id);
      const is_dead = seen.outcomes.get(id)?.state === "dead";
      return row === undefined ? [] : [{ ...placeOf(row), no: row.no, is_dead }];
    }),
  ),
  "feeder-hold": writes(({ db, values: [queues, orders, ids, nos, since] }) => {
    for (const [queue, order_key, id, no] of unnest<[number, string, string, number]>(queues, orders, ids, nos))
      db.held_orders.put(id, { queue, order_key, id, no, since: since as number });
    return [];
  }),
  "feeder-let-go": writes(({ db, values: [ids] }) =>
    db.held_orders.values().flatMap(({ queue, order_key, id }) => {
      if (!(ids as readonly string[]).includes(id)) return [];
      db.held_orders.remove(id);
      return [{ queue, order_key }];
    }),
  ),
  "feeder-heads": reads(({ seen, values: [ids] }) =>
    (ids as readonly string[]).flatMap((id) => {
      const request = seen.requests.get(id);
      const row = seen.schedule.get(id);
      if (request === undefined || row?.in_line !== 1) return [];
      return [{ id, queue: request.queue, headers: request.headers, due_at: row.due_at }];
    }),
  ),
  "feeder-add": writes((scope) => {
    const [ids, queues, groups, urgencies, orders, sinces, places] = scope.values;
    addLined(scope, [ids, queues, groups, urgencies, orders, sinces, sinces], places as readonly number[]);
    return [];
  }),
  "feeder-back": racyWrites(({ seen, db, values: [ids, now] }) =>
    (ids as readonly string[]).flatMap((id) => {
      const back = seen.schedule.get(id);
      const row = db.lined.get(id);
      if (back?.in_line !== 1 || row?.state !== "handed") return [];
      const is_again = back.started_at !== null && back.due_at !== 0;
      return [put(db, { ...row, due_at: back.due_at, is_again, state: readyAt(back.due_at, now) })];
    }),
  ),
  "feeder-admit": racyWrites(({ seen, db, values: [now, most] }) => {
    const page = seen.lined
      .values()
      .filter(({ state }) => state === "new")
      .sort((left, right) => left.no - right.no)
      .slice(0, most as number);
    const first = new Set<string>();
    return page.flatMap(({ id }) => {
      const row = db.lined.get(id);
      if (row === undefined) return [];
      const { queue, order_key, due_at } = row;
      if (order_key === null) return [put(db, { ...row, state: readyAt(due_at, now) })];
      const key = `${queue} ${order_key}`;
      const isBehind = first.has(key) || isTaken(seen, row) || ofKey(seen, row).some(({ state }) => state === "behind");
      first.add(key);
      return [put(db, { ...row, state: isBehind ? "behind" : readyAt(due_at, now) })];
    });
  }),
  "feeder-promote": racyWrites(({ seen, db, values: [queues, orders, now] }) =>
    unnest<[number, string]>(queues, orders).flatMap(([queue, order_key]) => {
      const [next] = ofKey(seen, { queue, order_key })
        .filter(({ state }) => state === "behind")
        .sort((left, right) => left.no - right.no);
      if (next === undefined || isTaken(seen, next)) return [];
      return [put(db, { ...next, state: readyAt(next.due_at, now) })];
    }),
  ),
  "feeder-due": racyWrites(({ seen, db, values: [now, most] }) =>
    seen.lined
      .values()
      .filter(({ state, due_at }) => state === "later" && due_at <= (now as number))
      .sort((left, right) => left.due_at - right.due_at)
      .slice(0, most as number)
      .map((row) => put(db, { ...row, state: "ready" })),
  ),
  "feeder-ready": reads(({ seen, values: [queues, areAgain, groups, urgencies, sinces, ids, most] }) =>
    unnest<[number, boolean, string, number, number, string]>(queues, areAgain, groups, urgencies, sinces, ids).flatMap(
      ([queue, isAgain, grp, urgency, since, id], at) =>
        seen.lined
          .values()
          .filter((row) => row.state === "ready" && row.queue === queue && row.is_again === isAgain)
          .filter((row) => row.grp === grp && row.urgency === urgency)
          .filter((row) => row.since > since || (row.since === since && row.id > id))
          .sort((left, right) => left.since - right.since || (left.id < right.id ? -1 : 1))
          .slice(0, most as number)
          .map((row) => ({ no: at + 1, id: row.id, since: row.since })),
    ),
  ),
  "feeder-hand-out": racyWrites(({ seen, db, values: [ids] }) => {
    for (const id of ids as readonly string[]) {
      const row = db.lined.get(id);
      if (row !== undefined) put(db, { ...row, state: "handed" });
    }
    return (ids as readonly string[]).flatMap((id) => {
      const row = seen.schedule.has(id) ? db.schedule.get(id) : undefined;
      if (row?.in_line !== 1) return [];
      const is_first = row.attempts + row.crashes === 0 && row.started_at === null;
      db.schedule.put(id, { ...row, in_line: 2, is_hinted: true, is_first });
      return [{ id, is_suspect: row.crashes > 1 }];
    });
  }),
  "feeder-hint": writes(({ db, outboxNos, values: [queue, kind, ids], clockMs }) => {
    const row = {
      no: outboxNos.next(),
      queue: queue as number,
      kind: kind as string,
      ids: ids as readonly string[],
      stored_at: clockMs,
    };
    db.outbox.put(row.no, { ...row, taken_by: null });
    return [{ ...row }];
  }),
  "feeder-lines": reads(({ seen }) =>
    seen.queues.values().flatMap(({ no, lines }) => {
      return lines === null ? [] : [{ no, lines: JSON.parse(lines) as unknown }];
    }),
  ),
  "feeder-overrides": reads(() => []),
  "feeder-counts": reads(({ seen }) =>
    [...Map.groupBy(seen.lined.values(), ({ queue, grp }) => `${queue} ${grp}`).values()].flatMap((all) => {
      const own = all.filter(({ state }) => state !== "new");
      const [one] = own;
      if (one === undefined) return [];
      const handed = own.filter(({ state }) => state === "handed");
      return [{ queue: one.queue, grp: one.grp, backlog: own.length, in_flight: handed.length }];
    }),
  ),
  "feeder-handed": reads(({ seen }) =>
    seen.lined
      .values()
      .flatMap(({ id, queue, is_again, state }) => (state === "handed" ? [{ id, queue, is_again }] : [])),
  ),
  "feeder-ready-lines": reads(({ seen }) => {
    const ready = seen.lined.values().filter(({ state }) => state === "ready");
    const lines = Map.groupBy(ready, ({ queue, is_again, grp, urgency }) => `${queue} ${is_again} ${urgency} ${grp}`);
    return [...lines.values()].map((own) => {
      const { queue, is_again, grp, urgency } = own[0] as LinedRow;
      return { queue, is_again, grp, urgency };
    });
  }),
  "feeder-forget-counts": writes(() => []), // of these counts nothing depends here
  "feeder-tell-counts": writes(() => []),
};

function put(db: Tables, row: LinedRow): Row {
  const hasTurn = ({ state }: LinedRow): boolean => state === "later" || state === "ready" || state === "handed";
  if (row.order_key !== null && hasTurn(row) && ofKey(db, row).some((other) => other.id !== row.id && hasTurn(other)))
    throw new Refusal("23505", `two of ${row.order_key} have the turn`);
  db.lined.put(row.id, row);
  return placeOf(row);
}

function placeOf({ id, queue, grp, urgency, order_key, since, is_again, state }: LinedRow): Row {
  return { id, queue, grp, urgency, order_key, since, is_again, state };
}

function readyAt(dueAt: number, now: unknown): "later" | "ready" {
  return dueAt > (now as number) ? "later" : "ready";
}

type OrderKey = Pick<LinedRow, "queue" | "order_key">;

function ofKey({ lined }: Tables, { queue, order_key }: OrderKey): LinedRow[] {
  return lined.values().filter((row) => row.queue === queue && row.order_key === order_key);
}

function isTaken(tables: Tables, key: LinedRow): boolean {
  const isOfKey = ({ queue, order_key }: OrderKey): boolean => queue === key.queue && order_key === key.order_key;
  return (
    tables.held_orders.values().some((held) => isOfKey(held) && held.no < key.no) ||
    ofKey(tables, key).some(({ state }) => state === "later" || state === "ready" || state === "handed")
  );
}

function sameJson(left: string | null, right: string): boolean {
  return left !== null && JSON.stringify(JSON.parse(left)) === JSON.stringify(JSON.parse(right));
}
