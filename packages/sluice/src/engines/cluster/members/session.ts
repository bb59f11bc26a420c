// A process as a member of the cluster: its beat, its number, its chance to lead. All of it is rows: what becomes of a
// connection says nothing of who is there or who leads, and a pooler may stand in between.
import { randomInt, randomUUID } from "node:crypto";
import { noDeliveries } from "../../../engine/engine.ts";
import { Roster, sumOfDeliveries, type Attendance } from "../../shared/presence.ts";
import type { Deliveries } from "../../../engine/engine.ts";
import type { Logger } from "../../../telemetry/log.ts";
import { Connection, type Statement } from "../ledger/connection/database.ts";
import type { Outages } from "../outages.ts";
import type { Primary } from "../ledger/connection/primary.ts";
import {
  durabilityOf,
  locally,
  onlyThePrimary,
  quickly,
  RESTS_ON,
  type RestsOnRow,
} from "../ledger/connection/settings-check.ts";
import { ADD_SCOPE, LET_GO, takeLead, termOf, type Term } from "../leader/terms.ts";
import type { StoreClock } from "../ledger/connection/store-clock.ts";
import { messageOf, SluiceError } from "../../../core/errors.ts";

const scope = "cluster";
/** So many beats may fail before somebody else leads. */
const beatsPerTerm = 4;
/** While the ledger is out: the first beat that gets through lets requests in again. */
const outageBeatMs = 200;
/** A server that is silent for longer may have been replaced meanwhile. */
const silentMsMax = 3_000;
const lookAroundConfig = {
  application_name: "sluice looks around",
  connectionTimeoutMillis: silentMsMax,
  query_timeout: silentMsMax,
};

/**
 * Each life of a process has a number that it draws, not the next one of a sequence: a ledger that was restored would give the
 * next one again, while the process that had it lives on.
 */
const JOIN: Statement = {
  name: "join",
  text: `WITH ${locally}
    INSERT INTO sluice.members (no, name, carriers) OVERRIDING SYSTEM VALUE SELECT $1::int, $2, $3::jsonb FROM locally
    ON CONFLICT DO NOTHING RETURNING no`,
};
const BEAT: Statement = {
  name: "beat",
  // It changes with each beat, and grows whatever the clock does: a beat is what others see to change. The next beat makes up
  // for one that is lost, so none waits for the disk or for a standby.
  text: `WITH ${quickly}, unattended AS (UPDATE sluice.queues SET left_at = $5::bigint WHERE name = ANY ($4::text[])
    ), led AS (${takeLead("$6", "$7", "$8")})
    UPDATE sluice.members SET seen_at = greatest(clock_timestamp(), seen_at + interval '1 microsecond'), workers = $2,
      attending = $3, backend = pg_backend_pid()
    FROM quickly WHERE no = $1 RETURNING no, ${termOf("$6", "$7")} AS term`,
};
const LEAVE: Statement = {
  name: "leave",
  text: `WITH ${locally}, gone AS (DELETE FROM sluice.members USING locally WHERE no = $1 RETURNING workers)
    UPDATE sluice.queues SET left_at = $2::bigint WHERE name IN (SELECT jsonb_object_keys(workers) FROM gone)`,
};
const SELECT_WORKERS: Statement = {
  name: "select-workers",
  text: "SELECT workers, attending, carriers FROM sluice.members WHERE no <> $1",
};
/** The entry for the open breakers in a member's `workers`; the one of the workers is the queue's name, which cannot have a `!`. */
const openEntry = (queue: string): string => `${queue}!`;

/** Which servers besides PostgreSQL a member was given; that they are out does not show here. */
export interface Carriers {
  readonly rabbitmq: boolean;
  readonly redis: boolean;
}

interface MemberRow {
  readonly carriers: Carriers;
  readonly workers: Readonly<Record<string, number>>;
  /** Empty for a member of an earlier version. */
  readonly attending: Readonly<Record<string, { readonly stoppedAt: number | null; readonly deliveries?: Deliveries }>>;
}

export interface SessionOptions {
  readonly databaseUrl: string;
  readonly primary?: Primary | undefined;
  readonly name: string;
  readonly carriers: Carriers;
  readonly beatMs: number;
  /** Whether requests are let in only while a standby confirms them. */
  readonly needsStandby?: boolean | undefined;
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
  /** This life of the process. */
  readonly #holder = randomUUID();
  #elsewhere: ReadonlyMap<string, readonly Attendance[]> = new Map();
  #carriersElsewhere: ReadonlyMap<string, readonly Carriers[]> = new Map();
  #no: number | undefined;
  #isOut = false;
  #term: number | undefined;
  #leadsSince: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.roster = new Roster(() => options.clock.now());
    this.#connection = new Connection({
      databaseUrl: options.databaseUrl,
      primary: options.primary,
      name: `sluice session, ${options.name}`,
      settings: { jit: "off" },
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

  /** The term that it leads in, by the last beat. */
  get term(): Term | undefined {
    return this.#term === undefined ? undefined : { scope, holder: this.#holder, term: this.#term };
  }

  get connection(): Connection {
    return this.#connection;
  }

  async open(): Promise<void> {
    for (let reading = 0; reading < 5; reading += 1) await this.#options.clock.read(this.#connection);
    await this.#join();
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

  /** Those of the other members that have workers of a queue, as of the last beat. */
  carriersOf(queue: string): readonly Carriers[] {
    return this.#carriersElsewhere.get(queue) ?? [];
  }

  /** How many members with workers of a queue were given one of the servers, and how many were not. */
  membersBy(server: keyof Carriers, queue: string): { readonly having: number; readonly lacking: number } {
    const isHere = (this.roster.of(queue)?.workers ?? 0) > 0;
    const all = [...(isHere ? [this.#options.carriers] : []), ...this.carriersOf(queue)];
    const having = all.filter((carriers) => carriers[server]).length;
    return { having, lacking: all.length - having };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#beating;
    try {
      if (this.#no !== undefined) await this.#connection.rows(LEAVE, [this.#no, this.#options.clock.now()]);
      if (this.#term !== undefined) await this.#connection.rows(LET_GO, [scope, this.#holder]);
    } catch {
      // It is found silent, and its term expires.
    }
    await this.#connection[Symbol.asyncDispose]();
  }

  async #join(): Promise<void> {
    const { name, carriers } = this.#options;
    await this.#connection.rows(ADD_SCOPE, [scope]);
    for (this.#no = undefined; this.#no === undefined;) {
      const values = [randomInt(1, 2 ** 31 - 1), name, JSON.stringify(carriers)];
      const [row] = await this.#connection.rows<{ no: number }>(JOIN, values);
      this.#no = row?.no;
    }
  }

  #beatLater(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(
      () => {
        this.#beating = this.#beatSafely().finally(() => this.#beatLater());
      },
      Math.min(this.#options.beatMs, this.#isOut ? outageBeatMs : Number.POSITIVE_INFINITY),
    );
  }

  async #beatSafely(): Promise<void> {
    const { outages, primary } = this.#options;
    const looking = setInterval(() => void primary?.lookAround(lookAroundConfig), silentMsMax);
    try {
      await this.#beat();
      await this.#checkDurability();
      outages.end("store-unavailable");
      this.#isOut = false;
    } catch (error) {
      outages.begin("store-unavailable", messageOf(error));
      this.#isOut = true;
    } finally {
      clearInterval(looking);
    }
  }

  /** Settings change at run time, and with the server. Throws when nothing may be accepted. */
  async #checkDurability(): Promise<void> {
    const [row] = await this.#connection.rows<RestsOnRow & object>(RESTS_ON);
    const durability = durabilityOf(row as RestsOnRow);
    if (this.#options.needsStandby === true && durability !== "postgres+standby") throw onlyThePrimary();
  }

  async #beat(): Promise<void> {
    try {
      await this.#beatOnce();
    } catch (error) {
      this.#lead(undefined); // after an outage all are silent: who leads listens anew
      throw error;
    }
  }

  async #beatOnce(): Promise<void> {
    const { clock, log, onBeat } = this.#options;
    const steppedMs = await clock.read(this.#connection);
    if (steppedMs !== 0)
      log.warn({ seconds: Math.round(steppedMs / 100) / 10 }, "the clock of PostgreSQL's host has stepped");
    const present = this.roster.all().filter(([, { workers }]) => workers > 0);
    const attended = present.map(([queue]) => queue);
    const unattended = this.#attended.filter((queue) => !attended.includes(queue));
    const values = [this.#no, workersText(present), attendingText(present), unattended, clock.now()];
    const lead = [scope, this.#holder, beatsPerTerm * this.#options.beatMs];
    const [seen] = await this.#connection.rows<{ no: number; term: number | null }>(BEAT, [...values, ...lead]);
    this.#attended = attended;
    this.#lead(seen?.term ?? undefined);
    if (seen === undefined) {
      log.warn({ member: this.#no }, "this process was silent for too long and lost its claims");
      await this.#join();
    }
    const others = await this.#connection.rows<MemberRow & object>(SELECT_WORKERS, [this.#no]);
    this.#elsewhere = attendancesIn(others);
    this.#carriersElsewhere = carriersIn(others);
    await onBeat(this.#connection);
  }

  #lead(term: number | undefined): void {
    if (term === this.#term) return;
    this.#term = term;
    this.#leadsSince = term === undefined ? undefined : performance.now();
    if (term !== undefined) this.#options.log.info({ member: this.#no, term }, "this process leads the cluster");
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

function carriersIn(rows: readonly MemberRow[]): ReadonlyMap<string, readonly Carriers[]> {
  const found = new Map<string, Carriers[]>();
  for (const { workers, carriers } of rows)
    for (const [queue, count] of Object.entries(workers))
      if (count > 0) found.set(queue, [...(found.get(queue) ?? []), carriers]);
  return found;
}
