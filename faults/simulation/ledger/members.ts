// Models of what a process asks for itself: open.ts, session.ts, migrate.ts, settings-check.ts, store-clock.ts, retention.ts.
import { reads, writes, type Model, type Row, type Scope } from "./model.ts";

export const memberModels: Readonly<Record<string, Model>> = {
  "settings-check": reads(() => [
    {
      version_num: 150_000,
      version: "15, simulated",
      fsync: "on",
      full_page_writes: "on",
      synchronous_commit: "on",
      read_only: "off",
      in_recovery: false,
    },
  ]),
  "migrate-has-meta": reads(() => [{ has_schema: true, has_meta: true }]),
  "migrate-version": reads(() => [{ version: 2 }]),
  "migrate-missing-queues": reads(({ seen, values: [names] }) => {
    const known = new Set(seen.queues.values().map(({ name }) => name));
    return (names as readonly string[]).filter((name) => !known.has(name)).map((name) => ({ name }));
  }),
  "select-queues": reads(({ seen }) =>
    seen.queues.values().map(({ no, name, is_paused }) => ({ no, name, is_paused })),
  ),
  "read-clock": reads(({ clockMs }) => [{ now: clockMs }]),
  "begin-tallies": writes(({ db, values: [member] }) => {
    for (const { no: queue } of db.queues.values()) {
      const key = `${member as number} ${queue}`;
      const none = { accepted: 0, done: 0, dead: 0, cancelled: 0, backlog_bytes: 0 };
      if (!db.tallies.has(key)) db.tallies.put(key, { member: member as number, queue, ...none });
    }
    return [];
  }),
  "last-id": reads(({ seen }) => {
    const last = [...seen.requests.rows.keys()].sort().at(-1);
    return last === undefined ? [] : [{ id: last }];
  }),
  join: writes(join),
  hold: writes(({ values: [no], session, locks }) => [{ pg_try_advisory_lock: locks.tryHold(no as number, session) }]),
  beat: writes(({ db, values: [no, workers], clockMs }) => {
    const row = db.members.get(no as number);
    if (row === undefined) return [];
    db.members.put(row.no, { ...row, seen_at: clockMs, workers: workers as string });
    return [{ no: row.no }];
  }),
  leave: writes(({ db, values: [no] }) => {
    db.members.remove(no as number);
    return [];
  }),
  lead: writes(({ session, locks }) => [{ leads: locks.tryHold(leaderNo, session) }]),
  depose: writes(depose),
  "select-workers": reads(({ seen, values: [own] }) => {
    const sums = new Map<string, number>();
    for (const { no, workers } of seen.members.values()) {
      if (no === own) continue;
      for (const [queue, more] of Object.entries(JSON.parse(workers) as Record<string, number>))
        sums.set(queue, (sums.get(queue) ?? 0) + more);
    }
    return [...sums].map(([queue, sum]) => ({ queue, workers: sum }));
  }),
  // Histories are shorter than a day: the partitions are there, and nothing is old enough to go.
  "retention-has-day": reads(() => [{ is_there: true }]),
  "retention-days": reads(() => []),
  "retention-drop-rest": writes(() => []),
};

const leaderNo = 0;

function join({ db, values: [name], clockMs, memberNos, session, locks }: Scope): Row[] {
  const no = memberNos.next();
  db.members.put(no, { no, name: name as string, seen_at: clockMs, workers: "{}" });
  return [{ no, pg_try_advisory_lock: locks.tryHold(no, session) }];
}

/** Ends the connection of a leader none of whose own numbers has been heard of lately. */
function depose({ db, values: [leaseMs], clockMs, locks }: Scope): Row[] {
  const leader = locks.holderOf(leaderNo);
  if (leader === undefined) return [];
  const isHeard = locks
    .numbersOf(leader)
    .some((no) => (db.members.get(no)?.seen_at ?? 0) > clockMs - (leaseMs as number));
  if (isHeard) return [];
  locks.terminate(leader);
  return [{ pg_terminate_backend: true }];
}
