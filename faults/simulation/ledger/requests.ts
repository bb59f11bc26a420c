// Models of what takes requests in, claims them and clears what was told: accept.ts, room.ts, deliver.ts, outbox.ts, postgres.ts.
import {
  count,
  cut,
  list,
  racyWrites,
  reads,
  Refusal,
  unnest,
  writes,
  type Model,
  type Row,
  type Scope,
} from "./model.ts";
import { storeLinks } from "./chains.ts";
import { addLined } from "./lines.ts";
import { hasBegun } from "./outcomes.ts";
import type { OutboxRow, Tables } from "./tables.ts";

export const requestModels: Readonly<Record<string, Model>> = {
  "find-keys": reads(({ seen, values: [queues, keys] }) =>
    unnest<[number, string]>(queues, keys).flatMap(([queue, key]) => {
      const row = seen.keys.get(`${queue} ${key}`);
      return row === undefined ? [] : [{ ...row }];
    }),
  ),
  store: writes(store),
  "store-with-extras": writes(storeWithExtras),
  "end-session": reads(({ values: [session], isWaiting }) => (isWaiting(session) ? [{}] : [])),
  confirm: writes(({ db, values: [member, queues], restsOn }) =>
    (queues as readonly number[]).map((queue) => {
      count(db, { member: member as number, queue }, {});
      return { rests_on: restsOn };
    }),
  ),
  stored: reads(({ seen, values: [ids] }) =>
    (ids as readonly string[]).filter((id) => seen.requests.has(id)).map((id) => ({ id })),
  ),
  "lower-mark": writes(({ db, values: [nos, ids] }) => {
    for (const [no, id] of unnest<[number, string]>(nos, ids)) {
      const row = db.queues.get(no);
      if (row !== undefined && row.fresh_from > id) db.queues.put(no, { ...row, fresh_from: id });
    }
    return [];
  }),
  "select-backlogs": reads(({ seen }) =>
    sumsOf(seen).map(({ name, accepted, finished, bytes }) => ({ name, count: accepted - finished, bytes })),
  ),
  "select-totals": reads(({ seen }) =>
    sumsOf(seen).map(({ name, accepted, finished }) => ({ name, accepted, finished })),
  ),
  claim: racyWrites(claim),
  expiring: reads(({ seen, values: [ids] }) =>
    (ids as readonly string[]).flatMap((id) => (seen.expiries.has(id) && !hasBegun(seen, id) ? [{ id }] : [])),
  ),
  release: writes(({ db, values: [ids, tokens] }) => {
    for (const [id, token] of unnest<[string, number]>(ids, tokens))
      if (db.running.get(id)?.token === token) db.running.remove(id);
    return [];
  }),
  "read-aliases": reads(() => []), // no gateway of these histories has a spool
  "release-unknown": writes(releaseUnknown),
  "clear-outbox": writes(clear),
  "take-hints": writes(takeHints),
  "free-hints": writes((scope) => {
    const [done, member, known] = scope.values as [readonly number[], number, readonly number[]];
    clear(scope);
    free(scope, ({ no, taken_by }) => taken_by === member && !known.includes(no) && !done.includes(no));
    return [];
  }),
  "free-hints-of-gone": writes((scope) => {
    free(scope, ({ taken_by }) => taken_by !== null && !scope.db.members.has(taken_by));
    return [];
  }),
  "outbox-holds": reads(({ seen, values: [queue] }) =>
    [false, true].map((isAgain) => ({
      is_again: isAgain,
      holds: seen.outbox.values().some((row) => row.queue === queue && (row.kind !== "fresh") === isAgain),
    })),
  ),
  "store-hints": writes((scope) => {
    const [queue, ids] = scope.values as [number, readonly string[]];
    return list(
      scope,
      ids.map((id) => ({ id, queue, kind: "fresh" })),
    );
  }),
};

const fingerprintBytes = 32;

function store(scope: Scope): Row[] {
  return storedBut(scope, new Set());
}

/** No client of these histories wants a callback. */
function storeWithExtras(scope: Scope): Row[] {
  const { db, values, restsOn } = scope;
  const [ids, queues, dues, inLines, lateIds, , ends, ...lined] = values.slice(26); // $24 to $26 are the callbacks
  const scheduled = unnest<[string, number, number, number]>(ids, queues, dues, inLines);
  const rows = storedBut(scope, new Set(scheduled.map(([id]) => id)));
  for (const [id, queue, due_at, in_line] of scheduled) {
    const never = { attempts: 0, crashes: 0, started_at: null, token: 0, is_hinted: false, stored_at: 0 };
    db.schedule.put(id, { id, queue, due_at, ...never, is_first: in_line === 0, in_line });
  }
  addLined(scope, lined);
  for (const [id, expires_at] of unnest<[string, number]>(lateIds, ends)) db.expiries.put(id, { id, expires_at });
  return rows.length > 0 ? rows : [{ no: null, queue: null, rests_on: restsOn }];
}

/** Nobody is told of those that begin later. */
function storedBut(scope: Scope, later: ReadonlySet<string>): Row[] {
  const { db, values } = scope;
  const [ids, queues, keys, types, headers, ats, sizes, bodies, keyQueues, keyNames, keyIds, prints, member, cleared] =
    values;
  const keyed = unnest<[number, string, string]>(keyQueues, keyNames, keyIds);
  for (const [queue, key] of keyed)
    if (db.keys.has(`${queue} ${key}`)) throw new Refusal("23505", `duplicate key value: ${queue} ${key}`);
  type Input = [string, number, string | null, string, string | null, number, number];
  const input = unnest<Input>(ids, queues, keys, types, headers, ats, sizes);
  for (const [id, queue, key, type, header, at, bytes] of input) {
    if (db.requests.has(id)) throw new Refusal("23505", `duplicate id: ${id}`);
    const body = cut(bodies as Buffer, at, bytes);
    db.requests.put(id, { id, queue, key, content_type: type, headers: header, bytes, body });
    count(db, { member: member as number, queue }, { accepted: 1, backlog_bytes: bytes });
  }
  for (const [index, [queue, key, id]] of keyed.entries()) {
    const fingerprint = cut(prints as Buffer, fingerprintBytes * index + 1, fingerprintBytes);
    db.keys.put(`${queue} ${key}`, { queue, key, id, fingerprint });
  }
  storeLinks(scope);
  for (const no of cleared as readonly number[]) db.outbox.remove(no);
  const told = input.filter(([id]) => !later.has(id)).map(([id, queue]) => ({ id, queue, kind: "fresh" }));
  return list(scope, told).map(({ no, queue }) => ({ no: String(no), queue, rests_on: scope.restsOn }));
}

/** The function of claim.ts: its first statement sees a snapshot, its second one all that is committed by then. */
function claim({ seen, db, values, tokens }: Scope): Row[] {
  const [ids, areSuspects, member, now] = values as [readonly string[], boolean, number, number];
  const lastBefore = tokens.next();
  const paused = new Set(seen.queues.values().flatMap(({ no, is_paused }) => (is_paused ? [no] : [])));
  for (const id of ids) {
    const request = seen.requests.get(id);
    const back = seen.schedule.get(id);
    if (request === undefined || paused.has(request.queue)) continue;
    if (back !== undefined && (back.in_line === 1 || (!back.is_hinted && back.due_at > now))) continue;
    const crashes = back?.crashes ?? 0;
    if (crashes > 1 !== areSuspects || seen.outcomes.has(id)) continue;
    const token = tokens.next();
    if (db.running.has(id)) continue;
    const { queue, bytes } = request;
    db.running.put(id, { id, token, member, queue, attempts: back?.attempts ?? 0, crashes, started_at: now, bytes });
  }
  return ids.map((id) => verdictOn(id, db, { member, now, lastBefore, paused }));
}

interface Claiming {
  readonly member: number;
  readonly now: number;
  readonly lastBefore: number;
  readonly paused: ReadonlySet<number>;
}

function verdictOn(id: string, db: Tables, { member, now, lastBefore, paused }: Claiming): Row {
  const found = db.running.get(id);
  const claimed = found !== undefined && found.member === member && found.token > lastBefore ? found : undefined;
  const request = db.requests.get(id);
  const queue = request && db.queues.get(request.queue);
  const back = claimed && db.schedule.get(id);
  const rest = {
    id,
    token: claimed?.token ?? null,
    attempts: claimed?.attempts ?? null,
    queue: queue?.name ?? null,
    key: request?.key ?? null,
    content_type: request?.content_type ?? null,
    headers: request?.headers ?? null,
    body: request?.body ?? null,
  };
  if (queue !== undefined && paused.has(queue.no)) return { ...rest, verdict: "paused" };
  if (claimed === undefined) return { ...rest, verdict: "gone" };
  const isVoid =
    db.outcomes.has(id) ||
    (back?.attempts ?? 0) !== claimed.attempts ||
    (back?.crashes ?? 0) !== claimed.crashes ||
    (back !== undefined && (back.in_line === 1 || (!back.is_hinted && back.due_at > now)));
  return { ...rest, verdict: isVoid ? "void" : "claimed" };
}

function releaseUnknown(scope: Scope): Row[] {
  const { db, values } = scope;
  const [member, tokens] = values as [number, readonly number[]];
  const gone = db.running.values().filter((row) => row.member === member && !tokens.includes(row.token));
  for (const { id } of gone) db.running.remove(id);
  list(
    scope,
    gone.map(({ id, queue, crashes }) => ({ id, queue, kind: crashes > 1 ? "suspect" : "again" })),
  );
  return [];
}

function clear({ db, values: [nos] }: Scope): Row[] {
  for (const no of nos as readonly number[]) db.outbox.remove(no);
  return [];
}

function takeHints({ db, outboxNos, values, clockMs }: Scope): Row[] {
  const [done, member, queues, areAgain, rooms, ages] = values;
  for (const no of done as readonly number[]) db.outbox.remove(no);
  const found = unnest<[number, boolean, number, number]>(queues, areAgain, rooms, ages).flatMap(
    ([queue, isAgain, room, ageMs]) => {
      const free = db.outbox
        .values()
        .filter((row) => row.queue === queue && (row.kind !== "fresh") === isAgain && row.taken_by === null)
        .filter(({ stored_at }) => ageMs === 0 || stored_at < clockMs - ageMs || stored_at > clockMs)
        .sort((left, right) => left.no - right.no)
        .slice(0, room);
      let places = room;
      return free.map((row) => {
        const most = row.kind === "suspect" ? Math.min(1, places) : places;
        places -= row.ids.length;
        return { row, most };
      });
    },
  );
  const taken = found.filter(({ most }) => most > 0).sort((left, right) => left.row.no - right.row.no);
  const hold = (row: OutboxRow): Row => {
    db.outbox.put(row.no, { ...row, taken_by: member as number });
    const { no, queue, kind, ids } = row;
    return { no, queue, kind, ids };
  };
  return taken
    .map(({ row, most }) => {
      if (row.ids.length <= most) return hold(row);
      db.outbox.put(row.no, { ...row, ids: row.ids.slice(most) });
      return hold({ ...row, no: outboxNos.next(), ids: row.ids.slice(0, most) });
    })
    .sort((left, right) => Number(left["no"]) - Number(right["no"]));
}

function free({ db }: Scope, isFree: (row: OutboxRow) => boolean): void {
  for (const row of db.outbox.values()) if (isFree(row)) db.outbox.put(row.no, { ...row, taken_by: null });
}

interface Sums {
  readonly name: string;
  readonly accepted: number;
  readonly finished: number;
  readonly bytes: number;
}

function sumsOf(seen: Tables): Sums[] {
  return seen.queues.values().map(({ no, name }) => {
    const own = seen.tallies.values().filter(({ queue }) => queue === no);
    return {
      name,
      accepted: own.reduce((sum, row) => sum + row.accepted, 0),
      finished: own.reduce((sum, row) => sum + row.done + row.dead + row.cancelled, 0),
      bytes: own.reduce((sum, row) => sum + row.backlog_bytes, 0),
    };
  });
}
