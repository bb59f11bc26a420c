// The worker of one queue: claims deliveries, lets them through the gates, runs them, commits what came of them.
// It owns the deliveries it claimed until each is settled, scheduled or handed back.
import type { Breaker } from "../core/breaker.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf, SluiceError } from "../core/errors.ts";
import type { RetryPolicy } from "../core/retry.ts";
import type { Delivery } from "../core/request.ts";
import { RetryShare } from "../core/retry-share.ts";
import { Slots } from "../core/slots.ts";
import type { Deliveries } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Meter } from "../telemetry/meter.ts";
import { attempt, decideVerdict, handBack, type End } from "./attempt.ts";
import { logAttempt } from "./attempt-log.ts";
import { AttemptTimes } from "./attempt-times.ts";
import { AutoConcurrency } from "./auto-concurrency.ts";
import {
  commitRetryMaxMs,
  commitRetryMinMs,
  commitVerdict,
  isUnavailable,
  type CommitVerdictOptions,
} from "./commit-verdict.ts";
import type { Gate } from "./gate.ts";
import { Pace } from "./pace.ts";
import { RateGate } from "./rate-gate.ts";
import type { Runner } from "./runner.ts";
import { SharedGate } from "./shared-gate.ts";
import { Signal } from "./signal.ts";
import { TargetWatch } from "./target-watch.ts";
import { transactedAttempt } from "./transaction.ts";
import type { WorkerEngine } from "./worker-engine.ts";

export interface WorkerOptions {
  readonly engine: WorkerEngine;
  readonly queue: string;
  readonly runner: Runner;
  /** Attempts that run at once; at most, where `isAuto`. */
  readonly concurrency: number;
  /** Whether to find out how many the target can work on at once; false unless set. */
  readonly isAuto?: boolean | undefined;
  readonly ratePerHour: number | undefined;
  readonly burst?: number | undefined;
  /** Whether attempts run inside the transaction that commits their outcome; false unless set. */
  readonly isTransactional?: boolean | undefined;
  readonly timeoutMs: number;
  readonly retryPolicy: RetryPolicy;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Where attempts are shown; nowhere unless given. */
  readonly meter?: Meter | undefined;
}

export interface Worker {
  /** Stops claiming, lets what runs finish for `graceMs`, then aborts and hands back the rest. Twice is safe. */
  drain(options: { readonly graceMs: number }): Promise<void>;
}

/** How far ahead of the gates deliveries are claimed: enough to hide a commit, too little to hoard. */
const aheadMs = 50;
const aheadMax = 512;

export function openWorker(options: WorkerOptions): Worker {
  if (options.isTransactional === true && options.engine.transact === undefined) {
    throw new SluiceError("bad-config", `queue ${options.queue} is transactional, and this engine has no transactions`);
  }
  const worker = new QueueWorker(options);
  worker.start();
  return worker;
}

class QueueWorker implements Worker {
  readonly #options: WorkerOptions;
  readonly #gate: Gate;
  readonly #watch: TargetWatch;
  readonly #breaker: Breaker;
  readonly #share: RetryShare;
  readonly #pace: Pace;
  readonly #auto: AutoConcurrency | undefined;
  readonly #times: AttemptTimes | undefined;
  readonly #committing: CommitVerdictOptions;
  /** Claimed, not begun. */
  readonly #ready: Delivery[] = [];
  /** Deliveries that run, or whose end is being committed. */
  #inFlight = 0;
  /** Fires whenever something changed that the claiming waits for. */
  readonly #moved = new Signal();
  /** Ends the claim under way: its bounds hold no longer, or the worker stops. */
  #asking: AbortController | undefined;
  /** Whether that claim may not be of requests that failed before. */
  #isWithoutRetries = false;
  #isStopping = false;
  /** Cuts off each attempt under way. */
  readonly #cutOffs = new Slots<() => void>();
  #isCutOff = false;
  #running = 0;
  #claiming: Promise<void> | undefined;
  #gateTimer: NodeJS.Timeout | undefined;
  #isStartDue = false;
  #draining: Promise<void> | undefined;

  constructor(options: WorkerOptions) {
    const { clock, queue, meter, retryPolicy } = options;
    this.#options = options;
    this.#gate = this.#openGate();
    const onOpen = (): void => this.#asking?.abort(); // a probe is claimed within other bounds
    this.#watch = new TargetWatch({ ...options, retryAfterMaxMs: retryPolicy.retryAfterMaxMs, onOpen });
    this.#breaker = this.#watch.breaker;
    this.#auto = options.isAuto === true ? new AutoConcurrency(options) : undefined;
    this.#share = new RetryShare({ concurrency: this.#concurrency, clock });
    this.#pace = new Pace(clock);
    this.#times = meter && new AttemptTimes(meter, queue);
    this.#committing = { ...options, isCutOff: () => this.#isCutOff };
  }

  /** Attempts that may run at once now. */
  get #concurrency(): number {
    return this.#auto === undefined ? this.#options.concurrency : this.#auto.limit;
  }

  #openGate(): Gate {
    const { engine, queue, ratePerHour, burst, clock } = this.#options;
    const starts = engine.starts?.bind(engine);
    if (starts === undefined || ratePerHour === undefined) return new RateGate({ ratePerHour, burst, clock });
    const startable = (): number =>
      Math.min(this.#ready.length, this.#concurrency - this.#running + this.#pace.within(aheadMs));
    const onAnswer = (): void => {
      this.#startReady();
      this.#moved.fire();
    };
    return new SharedGate({ starts, queue, ratePerHour, burst, clock, startable, onAnswer });
  }

  start(): void {
    this.#claiming = this.#claim();
  }

  drain({ graceMs }: { readonly graceMs: number }): Promise<void> {
    this.#draining ??= this.#drain(graceMs);
    return this.#draining;
  }

  async #drain(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#asking?.abort();
    this.#moved.fire();
    await this.#claiming;
    clearTimeout(this.#gateTimer);
    this.#handBackReady();
    const graceOver = setTimeout(() => this.#cutOff(), graceMs);
    while (this.#inFlight > 0) await this.#moved.wait(Number.POSITIVE_INFINITY);
    clearTimeout(graceOver);
    this.#auto?.close();
    await this.#gate.close();
    await this.#options.runner.close();
  }

  #cutOff(): void {
    this.#isCutOff = true;
    for (const cutOff of this.#cutOffs.values()) cutOff();
  }

  async #claim(): Promise<void> {
    const { engine, queue, log } = this.#options;
    using presence = engine.attend(queue, () => this.#deliveries());
    this.#watch.showIn(presence);
    let retryMs = commitRetryMinMs;
    while (!this.#isStopping) {
      const max = this.#claimable();
      if (max === 0) {
        await this.#moved.wait(this.#claimableInMs());
        continue;
      }
      try {
        await this.#take(max);
        retryMs = commitRetryMinMs;
        this.#startReady();
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        log.warn({ queue, err: messageOf(error) }, "cannot claim");
        await this.#moved.wait(retryMs);
        retryMs = Math.min(retryMs * 2, commitRetryMaxMs);
      }
    }
  }

  #deliveries(): Deliveries {
    const [claimed, running] = [this.#ready.length, this.#running];
    const limit = this.#auto === undefined ? {} : { limit: this.#auto.base };
    return { claimed, running, committing: this.#inFlight - running, ...limit };
  }

  async #take(max: number): Promise<void> {
    const { engine, queue } = this.#options;
    if (this.#auto !== undefined) this.#share.resize(this.#auto.limit);
    const retries = this.#share.bounds({ isProbe: this.#breaker.state !== "closed" });
    const asking = new AbortController();
    this.#asking = asking;
    this.#isWithoutRetries = retries.most === 0;
    for (const delivery of await engine.deliver({ queue, max, retries, signal: asking.signal })) {
      if (delivery.isAgain) this.#share.claimed();
      this.#ready.push(delivery);
    }
  }

  /** How many more deliveries may be claimed now. */
  #claimable(): number {
    const timely = Math.min(this.#gate.within(aheadMs), this.#breaker.room()) - this.#ready.length;
    return Math.max(0, Math.min(this.#free(), timely));
  }

  /** Places for deliveries: one for each attempt at a time, and some for those under way to or from the store. */
  #free(): number {
    const ahead = Math.min(aheadMax, this.#pace.within(aheadMs));
    return this.#concurrency + ahead - this.#inFlight - this.#ready.length;
  }

  #claimableInMs(): number {
    if (this.#free() <= 0) return Number.POSITIVE_INFINITY; // until one comes to its end
    const gateMs = this.#gate.waitMs(this.#ready.length + 1) - aheadMs;
    return Math.max(1, gateMs, this.#breaker.waitMs());
  }

  /**
   * Lets as many begin as the gates allow. Where begins are noted, each has a turn of its own, so that it comes after the
   * outcomes of all that ended before: a handler that kills its process then takes none of them along (I4).
   */
  #startReady(): void {
    if (this.#options.engine.began === undefined) {
      while (this.#startOne());
    } else if (!this.#isStartDue) {
      this.#isStartDue = true;
      setImmediate(() => {
        this.#isStartDue = false;
        if (this.#startOne()) this.#startReady();
      });
    }
  }

  #startOne(): boolean {
    const { engine } = this.#options;
    if (this.#ready.length === 0 || this.#running >= this.#concurrency) return false;
    if (this.#breaker.room() === 0) {
      this.#handBackReady();
      return false;
    }
    if (!this.#gate.take()) {
      this.#startLater();
      return false;
    }
    const delivery = this.#ready.shift() as Delivery;
    this.#share.started({ isRetry: delivery.isAgain });
    this.#breaker.started(delivery.claim.id);
    engine.began?.(delivery.claim);
    this.#track(this.#run(delivery));
    return true;
  }

  #startLater(): void {
    clearTimeout(this.#gateTimer);
    const waitMs = this.#gate.waitMs();
    if (Number.isFinite(waitMs)) this.#gateTimer = setTimeout(() => this.#startReady(), Math.ceil(waitMs));
  }

  async #run(delivery: Delivery): Promise<void> {
    const { retryPolicy: policy, clock, random, log } = this.#options;
    this.#running += 1;
    const startedAt = clock.monotonic();
    const autoStart = this.#auto?.started();
    const end = await this.#attempt(delivery);
    this.#running -= 1;
    if (autoStart !== undefined) this.#auto?.ended(autoStart, end);
    this.#pace.finished();
    const judgement = this.#watch.ended(delivery, end, this.#running);
    const durationMs = clock.monotonic() - startedAt;
    if (delivery.isAgain) this.#release(durationMs);
    this.#times?.note(end, durationMs);
    logAttempt(log, { delivery, end, durationMs });
    this.#startReady();
    if (end.kind !== "committed") {
      const verdict = decideVerdict(delivery, end, { policy, clock, random, judgement });
      await commitVerdict(delivery.claim, verdict, this.#committing);
    }
  }

  #attempt(delivery: Delivery): Promise<End> {
    const { engine, runner, timeoutMs, isTransactional } = this.#options;
    const progress = (value: unknown): void => engine.report(delivery.claim, value);
    const options = { runner, timeoutMs, progress, cutOffs: this.#cutOffs };
    const transact = isTransactional === true ? engine.transact?.bind(engine) : undefined;
    if (transact === undefined) return attempt(delivery, options);
    return transactedAttempt(delivery, { ...options, transact, isCutOff: () => this.#isCutOff });
  }

  #handBackReady(): void {
    for (const delivery of this.#ready.splice(0)) {
      if (delivery.isAgain) this.#release(0);
      this.#track(commitVerdict(delivery.claim, handBack(delivery, this.#options.clock), this.#committing));
    }
  }

  /** A request that failed before has left its place to the next one. */
  #release(durationMs: number): void {
    this.#share.released(durationMs);
    if (this.#isWithoutRetries) this.#asking?.abort();
  }

  #track(work: Promise<void>): void {
    this.#inFlight += 1;
    void work.finally(() => {
      this.#inFlight -= 1;
      this.#moved.fire();
    });
  }
}
