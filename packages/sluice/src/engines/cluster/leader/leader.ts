// What one process does for the whole cluster: hints what is due, ends what has expired, gives back the claims and hints of the dead, puts back what the
// carriers lost, keeps the partitions. Any process may lead; all of
// it works from the ledger, so that the next leader goes on where this one died.
import { messageOf, SluiceError } from "../../../core/errors.ts";
import type { RequestId } from "../../../core/request-id.ts";
import type { Logger } from "../../../telemetry/log.ts";
import { freeHintsOfGone } from "../carriers/postgres.ts";
import type { Broker } from "../carriers/rabbitmq/broker.ts";
import { ConflictError, Connection, steady } from "../ledger/connection/database.ts";
import { foldTallies, listen, reap } from "./give-back.ts";
import { Feeder } from "./feeder.ts";
import { lapse } from "./lapse.ts";
import type { Outbox } from "../ledger/outbox.ts";
import type { QueueNumbers } from "../ledger/queue-numbers.ts";
import type { Primary } from "../ledger/connection/primary.ts";
import { LostHints, type Takers } from "./lost-hints.ts";
import { dropExpired, keepPartitions } from "./retention.ts";
import { hintDue } from "./scheduler.ts";
import type { Session } from "../members/session.ts";
import { Silence } from "./silence.ts";
import type { IdBound } from "../ledger/state.ts";
import type { StoreClock } from "../ledger/connection/store-clock.ts";
import { Acting } from "./terms.ts";

export interface LeaderOptions {
  readonly session: Session;
  readonly databaseUrl: string;
  readonly primary: Primary;
  readonly broker: Broker | undefined;
  readonly outbox: Outbox;
  readonly queues: QueueNumbers;
  readonly takersOf: (queue: string) => Takers;
  readonly clock: StoreClock;
  readonly crashesMax: number;
  readonly retentionMs: number;
  readonly leaseMs: number;
  readonly beatMs: number;
  /** These have ended as expired. */
  readonly onLapsed: (ids: readonly RequestId[]) => void;
  readonly log: Logger;
}

/** Claims, hints and notices come and go by the thousands: what they leave behind would slow down who looks for them. */
const vacuum = "VACUUM (SKIP_LOCKED) sluice.running, sluice.outbox, sluice.notices, sluice.rates, sluice.line_events";
const tickMs = 100;
/** While nothing comes due, what comes into the schedule is looked for this often. */
const quietLookMs = 300;
/** Claims whose member has gone without anybody noticing are looked for this often. */
const reapAnywayMs = 10_000;
/** For so long after a step of the store's clock nothing is taken for expired. */
const steadyMsMin = 3_600_000;

interface Duty {
  readonly name: string;
  readonly everyMs: number;
  readonly run: () => Promise<void>;
  lastAt: number;
}

export class Leader {
  readonly #options: LeaderOptions;
  readonly #duties: readonly Duty[];
  readonly #acting: Acting;
  /** Upkeep takes its time, and must not hold up the beat. */
  readonly #keeper: Connection;
  readonly #comparing: Connection;
  readonly #feeding: Connection;
  readonly #feeder: Feeder;
  #feedingSince: number | undefined;
  #feedTimer: NodeJS.Timeout | undefined;
  #fed: Promise<void> | undefined;
  #dueLookAt = Number.NEGATIVE_INFINITY;
  #reapedAt = Number.NEGATIVE_INFINITY;
  #listening: { readonly since: number | undefined; readonly silence: Silence } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  readonly #sweptTo = new Map<string, IdBound>();
  /** Duties that go on beside the others, by name. */
  readonly #longer = new Map<string, Promise<void>>();
  #isClosed = false;

  constructor(options: LeaderOptions) {
    this.#options = options;
    const { session, broker, outbox, queues, takersOf, clock, beatMs, log, databaseUrl, primary } = options;
    this.#acting = this.#actingOn(session.connection);
    this.#comparing = new Connection({ databaseUrl, primary, name: "sluice lost hints", settings: { jit: "off" } });
    this.#feeding = new Connection({ databaseUrl, primary, name: "sluice lines", settings: steady });
    this.#feeder = new Feeder({ connection: this.#actingOn(this.#feeding), clock, queues, outbox });
    this.#keeper = new Connection({ databaseUrl, primary, name: "sluice upkeep", settings: { jit: "off" } });
    const stillMs = Math.max(30_000, 2 * options.leaseMs);
    const lostHints = new LostHints({
      connection: this.#actingOn(this.#comparing),
      broker,
      outbox,
      takersOf,
      clock,
      stillMs,
      log,
    });
    const duty = (name: string, everyMs: number, run: () => Promise<void>): Duty => ({
      name,
      everyMs,
      run,
      lastAt: Number.NEGATIVE_INFINITY,
    });
    this.#duties = [
      duty("scheduler", tickMs, () => this.#hintDue()),
      duty("reaper", Math.min(500, beatMs), () => this.#reap()),
      duty("lost hints", 3_000, () => this.#beside("lost hints", () => lostHints.look())),
      duty("retention", 60_000, () => this.#beside("upkeep", () => this.#keep())),
      duty("vacuum", 10_000, () => this.#beside("upkeep", () => this.#keeper.script(vacuum))),
    ];
  }

  open(): void {
    this.#tickLater();
    this.#feedLater(tickMs);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#feedTimer);
    await Promise.all([this.#running, this.#fed]);
    // What they have not done by now the next leader does.
    const own = [this.#keeper, this.#comparing, this.#feeding];
    await Promise.all(own.map((connection) => connection[Symbol.asyncDispose]()));
    await Promise.all(this.#longer.values());
  }

  #actingOn(connection: Connection): Acting {
    return new Acting(connection, () => this.#options.session.term);
  }

  get #leads(): boolean {
    return this.#options.session.leadsSince !== undefined && !this.#isClosed;
  }

  #tickLater(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#tick().finally(() => this.#tickLater());
    }, tickMs);
  }

  /** In a loop of its own: who waits in line waits for this alone. */
  #feedLater(ms: number): void {
    if (this.#isClosed) return;
    this.#feedTimer = setTimeout(() => {
      this.#fed = this.#feed();
    }, ms);
  }

  async #feed(): Promise<void> {
    this.#feedLater(await this.#feedOnce());
  }

  async #feedOnce(): Promise<number> {
    const since = this.#options.session.leadsSince;
    if (since !== this.#feedingSince) this.#feeder.forget();
    this.#feedingSince = since;
    if (!this.#leads) return tickMs;
    try {
      return await this.#feeder.feed();
    } catch (error) {
      this.#tell("lines", error);
      return tickMs;
    }
  }

  async #tick(): Promise<void> {
    for (const duty of this.#duties) {
      const now = performance.now();
      if (!this.#leads) return;
      if (now - duty.lastAt < duty.everyMs) continue;
      duty.lastAt = now;
      try {
        await duty.run();
      } catch (error) {
        this.#tell(duty.name, error);
      }
    }
  }

  /** An outage is told by whoever has the connection; anything else is a defect. */
  #tell(name: string, error: unknown): void {
    const isPassing = error instanceof SluiceError && (error.isRetryable || error.code === "lost-claim");
    const isExpected = error instanceof ConflictError || isPassing;
    if (!isExpected) this.#options.log.error({ duty: name, err: messageOf(error) }, "a duty of the leader failed");
  }

  async #hintDue(): Promise<void> {
    const { clock, outbox, session, onLapsed } = this.#options;
    if (performance.now() < this.#dueLookAt) return;
    const { told, quietMs, isLate } = await hintDue(this.#acting, clock.now());
    void outbox.tell(told);
    if (isLate) onLapsed(await lapse(this.#acting, { now: clock.now(), member: session.member }));
    this.#dueLookAt = performance.now() + (quietMs < quietLookMs ? 0 : quietLookMs - tickMs);
  }

  /** After an outage of the ledger everybody is silent: a new leader gives them the time to be heard. */
  async #reap(): Promise<void> {
    const { session, clock, outbox, crashesMax, leaseMs, beatMs } = this.#options;
    const since = session.leadsSince;
    if (this.#listening?.since !== since) this.#listening = { since, silence: new Silence(beatMs) };
    const { silence } = this.#listening as { readonly silence: Silence };
    await listen(session.connection, silence, session.member);
    if (performance.now() - (since ?? Number.POSITIVE_INFINITY) < 3 * beatMs) return;
    const silent = silence.silentFor(2.5 * beatMs);
    const isDue = performance.now() - this.#reapedAt > reapAnywayMs;
    if (!isDue && silent.length === 0) return;
    const options = { now: clock.now(), crashesMax, by: session.member, leaseMs, silent };
    void outbox.tell(await this.#acting.transaction((inside) => reap(inside, options)));
    await this.#acting.transaction(freeHintsOfGone);
    await this.#acting.transaction(foldTallies); // apart: it waits for a process that holds a row of the counts
    this.#reapedAt = performance.now();
  }

  /** What takes longer goes on beside the other duties, once at a time. */
  #beside(name: string, work: () => Promise<void>): Promise<void> {
    if (!this.#longer.has(name)) {
      const running = work()
        .catch((error: unknown) => this.#tell(name, error))
        .finally(() => this.#longer.delete(name));
      this.#longer.set(name, running);
    }
    return Promise.resolve();
  }

  async #keep(): Promise<void> {
    const { clock, retentionMs } = this.#options;
    const keeping = this.#actingOn(this.#keeper);
    await keepPartitions(keeping, clock.now());
    // What a clock that jumps ahead makes old is gone for good: it may be set right again.
    if (clock.steadyMs < steadyMsMin) return;
    await dropExpired(keeping, { now: clock.now(), retentionMs, sweptTo: this.#sweptTo });
  }
}
