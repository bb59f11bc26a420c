// Models of what a process asks for itself: open.ts, session.ts, migrate.ts, settings-check.ts, store-clock.ts, retention.ts.
import { versionKnown } from "../../../packages/sluice/src/engines/cluster/ledger/schema/migrate.ts";
import { reads, writes, type Model, type Row, type Scope } from "./model.ts";
import type { Tables } from "./tables.ts";

export const memberModels: Readonly<Record<string, Model>> = {
  "settings-check": reads(() => [
    {
      version_num: 150_000,
      version: "15, simulated",
      fsync: "on",
      full_page_writes: "on",
      synchronous_commit: "on",
      client_min_messages: "notice",
      read_only: "off",
      in_recovery: false,
    },
  ]),
  "migrate-has-meta": reads(() => [{ has_schema: true, has_meta: true }]),
  "migrate-version": reads(() => [{ version: versionKnown }]),
  "migrate-prefix": reads(() => []),
  "migrate-claim-prefix": reads(({ values: [prefix] }) => [{ value: prefix }]),
  "migrate-missing-functions": reads(() => []),
  "migrate-missing-queues": reads(({ seen, values: [names] }) => {
    const known = new Set(seen.queues.values().map(({ name }) => name));
    return (names as readonly string[]).filter((name) => !known.has(name)).map((name) => ({ name }));
  }),
  "select-queues": reads(({ seen }) =>
    seen.queues.values().map(({ no, name, is_paused, fresh_from, lines }) => {
      return { no, name, is_paused, fresh_from, has_lines: lines !== null };
    }),
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
  "cancel-backend": reads(() => [{ pg_cancel_backend: true }]), // what it would end is over in a moment
  "rests-on": reads(({ restsOn }) => [{ rests_on: restsOn }]),
  join: writes(({ db, values, clockMs }) => {
    const [no, name, carriers] = values as [number, string, string];
    if (db.members.has(no)) return [];
    db.members.put(no, { no, name, carriers, seen_at: clockMs, workers: "{}", attending: "{}", backend: null });
    return [{ no }];
  }),
  beat: { run: beat, isWrite: true, isQuick: true },
  "add-scope": writes(() => []), // a scope that is not there is one that nobody leads
  "hold-term": writes(({ db, values: [scope, holder, term] }) => {
    const row = db.leaders.get(scope as string);
    return row?.holder === holder && row?.term === term ? [{}] : [];
  }),
  "let-go": writes(({ db, values: [scope, holder] }) => {
    const row = db.leaders.get(scope as string);
    if (row !== undefined && row.holder === holder) db.leaders.put(row.scope, { ...row, expires_at: longAgo });
    return [];
  }),
  leave: writes(({ db, values: [no] }) => {
    db.members.remove(no as number);
    return [];
  }),
  "select-workers": reads(({ seen, values: [own] }) =>
    seen.members
      .values()
      .filter(({ no }) => no !== own)
      .map(({ workers, attending, carriers }) => ({
        workers: JSON.parse(workers),
        attending: JSON.parse(attending),
        carriers: JSON.parse(carriers),
      })),
  ),
  // Histories are shorter than a day: the partitions are there, and nothing is old enough to go.
  "retention-has-day": reads(() => [{ is_there: true }]),
  "retention-days": reads(() => []),
  "retention-bound-rest": writes(() => []),
  "retention-sweep-rest": writes(() => [{ total: 0, looked: 0, last: null }]),
};

function beat({ db, values, clockMs, session }: Scope): Row[] {
  const [no, workers, attending, , , scope, holder, leaseMs] = values as [
    number,
    string,
    string,
    readonly string[],
    number,
    string,
    string,
    number,
  ];
  const term = lead(db, { scope, holder, leaseMs, clockMs });
  const row = db.members.get(no);
  if (row === undefined) return [];
  const seen_at = Math.max(clockMs, row.seen_at + 0.001); // a microsecond later at least
  db.members.put(no, { ...row, seen_at, workers, attending, backend: session.no });
  return [{ no, term }];
}

interface Leading {
  readonly scope: string;
  readonly holder: string;
  readonly leaseMs: number;
  readonly clockMs: number;
}

/** The term of the holder, if it leads by now. */
function lead(db: Tables, { scope, holder, leaseMs, clockMs }: Leading): number | null {
  const row = db.leaders.get(scope) ?? nobody;
  const isHeld = row.expires_at >= clockMs && row.renewed_at <= clockMs + 1_000;
  if (row.holder !== holder && isHeld) return null;
  const term = row.term + (row.holder === holder ? 0 : 1);
  db.leaders.put(scope, { scope, term, holder, renewed_at: clockMs, expires_at: clockMs + leaseMs });
  return term;
}

const longAgo = Number.NEGATIVE_INFINITY;
const nobody = { term: 0, holder: null, renewed_at: longAgo, expires_at: longAgo };
