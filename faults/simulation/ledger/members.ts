// Models of what a process asks for itself: open.ts, session.ts, migrate.ts, settings-check.ts, store-clock.ts, retention.ts.
import { reads, writes, type Model, type Row, type Scope } from "./model.ts";
import { signOf } from "./tables.ts";

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
  "migrate-version": reads(() => [{ version: 7 }]),
  "migrate-missing-queues": reads(({ seen, values: [names] }) => {
    const known = new Set(seen.queues.values().map(({ name }) => name));
    return (names as readonly string[]).filter((name) => !known.has(name)).map((name) => ({ name }));
  }),
  "select-queues": reads(({ seen }) =>
    seen.queues.values().map(({ no, name, is_paused, fresh_from }) => ({ no, name, is_paused, fresh_from })),
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
  beat: writes(({ db, values: [no, workers, attending], clockMs }) => {
    const row = db.members.get(no as number);
    if (row === undefined) return [];
    const seen_at = Math.max(clockMs, row.seen_at + 0.001); // a microsecond later at least
    db.members.put(row.no, { ...row, seen_at, workers: workers as string, attending: attending as string });
    return [{ no: row.no }];
  }),
  leave: writes(({ db, values: [no] }) => {
    db.members.remove(no as number);
    return [];
  }),
  lead: writes(({ session, locks }) => [{ leads: locks.tryHold(leaderNo, session) }]),
  "leader-heard": reads(leaderHeard),
  depose: writes(depose),
  "select-workers": reads(({ seen, values: [own] }) =>
    seen.members
      .values()
      .filter(({ no }) => no !== own)
      .map(({ workers, attending }) => ({ workers: JSON.parse(workers), attending: JSON.parse(attending) })),
  ),
  // Histories are shorter than a day: the partitions are there, and nothing is old enough to go.
  "retention-has-day": reads(() => [{ is_there: true }]),
  "retention-days": reads(() => []),
  "retention-bound-rest": writes(() => []),
  "retention-sweep-rest": writes(() => [{ total: 0, looked: 0, last: null }]),
};

const leaderNo = 0;

function join({ db, values: [name], clockMs, memberNos, session, locks }: Scope): Row[] {
  const no = memberNos.next();
  db.members.put(no, { no, name: name as string, seen_at: clockMs, workers: "{}", attending: "{}" });
  return [{ no, pg_try_advisory_lock: locks.tryHold(no, session) }];
}

/** By the session of whoever leads: the beats of the numbers that it holds. */
function leaderHeard({ seen, locks }: Scope): Row[] {
  const leader = locks.holderOf(leaderNo);
  if (leader === undefined) return [];
  const members = locks.numbersOf(leader).flatMap((no) => seen.members.get(no) ?? []);
  return [{ no: leader.no, sign: members.reduce((sum, row) => sum + signOf(row), 0) }];
}

function depose({ values: [no], locks }: Scope): Row[] {
  const leader = locks.holderOf(leaderNo);
  if (leader === undefined || leader.no !== no) return [];
  locks.terminate(leader);
  return [{ pg_terminate_backend: true }];
}
