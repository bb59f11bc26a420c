// Models of what people ask for and look at: operate.ts, read.ts.
import { count, list, noOutcome, reads, Refusal, writes, type Model, type Row, type Scope } from "./model.ts";
import { tell, unschedule } from "./lines.ts";
import type { Tables } from "./tables.ts";

export const operateModels: Readonly<Record<string, Model>> = {
  "select-dead": reads(({ seen, values: [queue, after, most] }) =>
    seen.outcomes
      .values()
      .filter((row) => row.queue === queue && row.state === "dead" && row.id > (after as string))
      .map(({ id, error_code: errorCode }) => ({ id, errorCode }))
      .sort((left, right) => (left.id < right.id ? -1 : 1))
      .slice(0, most as number),
  ),
  "count-dead": reads(({ seen, values: [name, code] }) => {
    const queue = seen.queues.values().find((row) => row.name === name)?.no;
    const dead = seen.outcomes
      .values()
      .filter((row) => row.queue === queue && row.state === "dead" && (code === null || row.error_code === code));
    return [{ count: dead.length }];
  }),
  replay: writes(replay),
  "hold-to-cancel": writes(({ db, values, tokens }) => {
    const [id, member] = values as [string, number];
    const request = db.requests.get(id);
    if (request === undefined) return [];
    const token = tokens.next();
    if (db.running.has(id)) return [];
    const { queue, bytes } = request;
    db.running.put(id, { id, token, member, queue, attempts: 0, crashes: 0, started_at: 0, bytes });
    return [{ id }];
  }),
  cancel: writes(cancel),
  pause: writes(({ db, values: [no, is_paused] }) => {
    const row = db.queues.get(no as number);
    if (row !== undefined) db.queues.put(row.no, { ...row, is_paused: is_paused as boolean });
    return [];
  }),
  "read-states": reads(({ seen, values: [ids, now] }) =>
    (ids as readonly string[]).flatMap((id) => {
      const state = stateOf(seen, id, now as number);
      return state === undefined ? [] : [{ id, state }];
    }),
  ),
  "read-result": reads(({ seen, values: [id] }) => {
    const row = seen.outcomes.get(id as string);
    return row?.state === "done" ? [{ content_type: row.content_type, bytes: row.result }] : [];
  }),
};

/** The state that a request's rows tell; undefined for one that is not there. */
export function stateOf(tables: Tables, id: string, now: number): string | undefined {
  if (!tables.requests.has(id)) return undefined;
  const outcome = tables.outcomes.get(id);
  if (outcome !== undefined) return outcome.state;
  if (tables.running.has(id)) return "running";
  return (tables.schedule.get(id)?.due_at ?? 0) > now ? "scheduled" : "waiting";
}

function replay(scope: Scope): Row[] {
  const { db, values, tokens, clockMs, lineNos } = scope;
  const [ids, now, member] = values as [readonly string[], number, number];
  const revived = ids.flatMap((id) => {
    const outcome = db.outcomes.get(id);
    return outcome?.state === "dead" ? [outcome] : [];
  });
  for (const { id } of revived) if (db.schedule.has(id)) throw new Refusal("23505", `duplicate schedule row: ${id}`);
  for (const { id, queue } of revived) {
    db.outcomes.remove(id);
    for (const failure of db.failures.values()) if (failure.id === id) db.failures.remove(`${id} ${failure.attempt}`);
    db.expiries.remove(id);
    const token = tokens.next();
    const hasLines = db.queues.get(queue)?.lines !== null;
    const rest = { attempts: 0, crashes: 0, started_at: null, token, is_first: false, stored_at: clockMs };
    const place = { is_hinted: !hasLines, in_line: hasLines ? 1 : 0 };
    db.schedule.put(id, { id, queue, due_at: now, ...rest, ...place });
    if (hasLines) tell(scope, { kind: "replayed", id, place: lineNos.next() });
    count(db, { member, queue }, { dead: -1, backlog_bytes: db.requests.get(id)?.bytes ?? 0 });
  }
  const hinted = revived.filter(({ id }) => db.schedule.get(id)?.is_hinted);
  const told = list(
    scope,
    hinted.map(({ id, queue }) => ({ id, queue, kind: "again" })),
  );
  const all = { revived: revived.length === 0 ? null : revived.map(({ id }) => id) };
  return told.length === 0
    ? [{ ...all, no: null, queue: null, kind: null, ids: null }]
    : told.map((row) => ({ ...all, ...row }));
}

function cancel(scope: Scope): Row[] {
  const { db, values } = scope;
  const [id, now, member] = values as [string, number, number];
  const request = db.requests.get(id);
  const back = unschedule(scope, id);
  db.running.remove(id);
  if (request === undefined || db.outcomes.has(id)) return [];
  const { queue, bytes } = request;
  const { attempts = 0, started_at = null } = back ?? {};
  db.outcomes.put(id, { ...noOutcome, id, queue, state: "cancelled", attempts, started_at, finished_at: now });
  count(db, { member, queue }, { cancelled: 1, backlog_bytes: -bytes });
  return [{ queue }];
}
