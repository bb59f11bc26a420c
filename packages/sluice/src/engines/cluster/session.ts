// A process as a member of the cluster: its beat, its number, its chance to lead. One connection holds two advisory
// locks, the member's own and, for one member at a time, the leader's: both go with the process.
import { noDeliveries, Roster, sumOfDeliveries, type Attendance } from "../../engine/presence.ts";
import type { Deliveries } from "../../engine/engine.ts";
import type { Logger } from "../../telemetry/log.ts";
import { Connection, type Connected, type Statement } from "./database.ts";
import type { Outages } from "./outages.ts";
import { Silence } from "./silence.ts";
import type { StoreClock } from "./store-clock.ts";
import { messageOf, SluiceError } from "../../core/errors.ts";

/** The first key of every advisory lock of Sluice; the second is the member's number, or 0 for the leader. */
export const lockClass = 0x51_1c_e0;
const leaderLock = 0;

const JOIN: Statement = {
  name: "join",
  text: `WITH joined AS (INSERT INTO sluice.members (name) VALUES ($1) RETURNING no)
    SELECT no, pg_try_advisory_lock(${lockClass}, no) FROM joined`,
};
const HOLD: Statement = { name: "hold", text: `SELECT pg_try_advisory_lock(${lockClass}, $1)` };
const BEAT: Statement = {
  name: "beat",
  // It changes with each beat, and grows whatever the clock does: a beat is what others see to change.
  text: `WITH unattended AS (UPDATE sluice.queues SET left_at = $5::bigint WHERE name = ANY ($4::text[]))
    UPDATE sluice.members SET seen_at = greatest(clock_timestamp(), seen_at + interval '1 microsecond'), workers = $2,
      attending = $3
    WHERE no = $1 RETURNING no`,
};
const LEAVE: Statement = {
  name: "leave",
  text: `WITH gone AS (DELETE FROM sluice.members WHERE no = $1 RETURNING workers)
    UPDATE sluice.queues SET left_at = $2::bigint WHERE name IN (SELECT jsonb_object_keys(workers) FROM gone)`,
};
const LEAD: Statement = { name: "lead", text: `SELECT pg_try_advisory_lock(${lockClass}, ${leaderLock}) AS leads` };
const LEADER = `FROM pg_locks l
  WHERE l.locktype = 'advisory' AND l.classid = ${lockClass} AND l.objid = ${leaderLock} AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
/** The beats of the numbers that its session holds. */
const LEADER_HEARD: Statement = {
  name: "leader-heard",
  text: `SELECT l.pid AS no, coalesce((
      SELECT sum(extract(epoch FROM m.seen_at) * 1000000)
      FROM pg_locks own JOIN sluice.members m ON m.no::bigint = own.objid::bigint
      WHERE own.pid = l.pid AND own.locktype = 'advisory' AND own.classid = ${lockClass}), 0)::float8 AS sign ${LEADER}`,
};
/** A leader that is silent, stopped or cut off, holds its lock until its connection is ended. */
const DEPOSE: Statement = { name: "depose", text: `SELECT pg_terminate_backend(l.pid) ${LEADER} AND l.pid = $1` };
const SELECT_WORKERS: Statement = {
  name: "select-workers",
  text: "SELECT workers, attending FROM sluice.members WHERE no <> $1",
};

/** The entry for the open breakers in a member's `workers`; the one of the workers is the queue's name, which cannot have a `!`. */
const openEntry = (queue: string): string => `${queue}!`;

interface MemberRow {
  readonly workers: Readonly<Record<string, number>>;
  /** Empty for a member of an earlier version. */
  readonly attending: Readonly<Record<string, { readonly stoppedAt: number | null; readonly deliveries?: Deliveries }>>;
}

/** What somebody shows of being alive: see silence.ts. */
interface Sign {
  readonly no: number;
  readonly sign: number;
}

export interface SessionOptions {
  readonly databaseUrl: string;
  readonly name: string;
  readonly beatMs: number;
  /** How long one may be silent. */
  readonly leaseMs: number;
  readonly clock: StoreClock;
  readonly outages: Outages;
  readonly log: Logger;
  /** What a beat finds out besides: runs on the session's connection after each. */
  readonly onBeat: (connection: Connection) => Promise<void>;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #connection: Connection;
  /** The workers of this process. */
  readonly roster: Roster;
  /** Queues that the last beat showed workers for. */
  #attended: readonly string[] = [];
  /** Of the leader, by its session. */
  readonly #silence: Silence;
  #elsewhere: ReadonlyMap<string, readonly Attendance[]> = new Map();
  #no: number | undefined;
  #leadsSince: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#silence = new Silence(2 * options.beatMs);
    this.roster = new Roster(() => options.clock.now());
    this.#connection = new Connection({
      databaseUrl: options.databaseUrl,
      name: `sluice session, ${options.name}`,
      onConnect: (connection) => this.#enter(connection),
    });
  }

  /** The member that claims are made for. */
  get member(): number {
    if (this.#no === undefined) throw new SluiceError("store-unavailable", "this process has not joined the cluster");
    return this.#no;
  }

  /** Since when this process leads, by its monotonic clock; undefined while another one does. */
  get leadsSince(): number | undefined {
    return this.#leadsSince;
  }

  get connection(): Connection {
    return this.#connection;
  }

  async open(): Promise<void> {
    for (let reading = 0; reading < 5; reading += 1) await this.#options.clock.read(this.#connection);
    await this.#beat();
    this.#beatLater();
  }

  /** Workers of a queue on all hosts, as of the last beat. */
  attendanceOf(queue: string, leftAt = 0): Attendance {
    const own = this.roster.of(queue);
    const all = [...(own === undefined ? [] : [own]), ...(this.#elsewhere.get(queue) ?? [])];
    const workers = all.reduce((sum, attendance) => sum + attendance.workers, 0);
    const breakersOpen = all.reduce((sum, attendance) => sum + attendance.breakersOpen, 0);
    // The last one that stopped; where none is left, that is in the ledger, and here until the next beat.
    const counting = workers === 0 ? all : all.filter((attendance) => attendance.workers > 0);
    const stoppedAt = Math.max(workers === 0 ? leftAt : 0, ...counting.map((attendance) => attendance.stoppedAt ?? 0));
    const isStopped = breakersOpen === workers && stoppedAt > 0;
    const deliveries = sumOfDeliveries(all.map((attendance) => attendance.deliveries));
    return { workers, breakersOpen, stoppedAt: isStopped ? stoppedAt : undefined, deliveries };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#beating;
    const leave = [this.#no, this.#options.clock.now()];
    if (this.#no !== undefined) await this.#connection.rows(LEAVE, leave).catch(() => undefined); // it is found silent
    await this.#connection[Symbol.asyncDispose]();
  }

  /** On each new connection: the member's lock, and the leader's if it is free. */
  async #enter(connection: Connected): Promise<void> {
    this.#leadsSince = undefined;
    if (this.#no === undefined) {
      const [row] = await connection.rows<{ no: number }>(JOIN, [this.#options.name]);
      this.#no = row?.no;
    } else await connection.rows(HOLD, [this.#no]);
  }

  #beatLater(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#beating = this.#beatSafely().finally(() => this.#beatLater());
    }, this.#options.beatMs);
  }

  async #beatSafely(): Promise<void> {
    const { outages } = this.#options;
    try {
      await this.#beat();
      outages.end("store-unavailable");
    } catch (error) {
      this.#leadsSince = undefined;
      outages.begin("store-unavailable", messageOf(error));
    }
  }

  async #beat(): Promise<void> {
    const { clock, log, onBeat } = this.#options;
    const steppedMs = await clock.read(this.#connection);
    if (steppedMs !== 0)
      log.warn({ seconds: Math.round(steppedMs / 100) / 10 }, "the clock of PostgreSQL's host has stepped");
    const present = this.roster.all().filter(([, { workers }]) => workers > 0);
    const attended = present.map(([queue]) => queue);
    const unattended = this.#attended.filter((queue) => !attended.includes(queue));
    const values = [this.#no, workersText(present), attendingText(present), unattended, clock.now()];
    const [seen] = await this.#connection.rows(BEAT, values);
    this.#attended = attended;
    if (seen === undefined) {
      log.warn({ member: this.#no }, "this process was silent for too long and lost its claims");
      const [row] = await this.#connection.rows<{ no: number }>(JOIN, [this.#options.name]);
      this.#no = row?.no;
    }
    this.#elsewhere = attendancesIn(await this.#connection.rows<MemberRow & object>(SELECT_WORKERS, [this.#no]));
    if (this.#leadsSince === undefined) await this.#tryToLead();
    await onBeat(this.#connection);
  }

  async #tryToLead(): Promise<void> {
    const [row] = await this.#connection.rows<{ leads: boolean }>(LEAD);
    if (row?.leads !== true) {
      this.#silence.look((await this.#connection.rows<Sign>(LEADER_HEARD)).map(({ no, sign }) => [no, sign]));
      for (const { no } of this.#silence.silentFor(this.#options.leaseMs)) await this.#connection.rows(DEPOSE, [no]);
      return;
    }
    this.#leadsSince = performance.now();
    this.#options.log.info({ member: this.#no }, "this process leads the cluster");
  }
}

type Attending = readonly (readonly [queue: string, attendance: Attendance])[];

function workersText(present: Attending): string {
  const counts = present.flatMap(([queue, { workers, breakersOpen }]) => [
    [queue, workers],
    [openEntry(queue), breakersOpen],
  ]);
  return JSON.stringify(Object.fromEntries(counts));
}

function attendingText(present: Attending): string {
  const shown = present.map(([queue, { stoppedAt, deliveries }]) => [
    queue,
    { stoppedAt: stoppedAt ?? null, deliveries },
  ]);
  return JSON.stringify(Object.fromEntries(shown));
}

function attendancesIn(rows: readonly MemberRow[]): ReadonlyMap<string, readonly Attendance[]> {
  const found = new Map<string, Attendance[]>();
  for (const { workers, attending } of rows) {
    for (const [queue, count] of Object.entries(workers)) {
      if (queue.endsWith("!")) continue;
      const attendance: Attendance = {
        workers: count,
        breakersOpen: workers[openEntry(queue)] ?? 0,
        stoppedAt: attending[queue]?.stoppedAt ?? undefined,
        deliveries: attending[queue]?.deliveries ?? noDeliveries,
      };
      found.set(queue, [...(found.get(queue) ?? []), attendance]);
    }
  }
  return found;
}
