// The worker of one queue: claims deliveries, lets them through the gates, runs them, commits what came of them.
// It owns the deliveries it claimed until each is settled, scheduled or handed back.
import type { Clock } from "../core/clock.ts";
import { messageOf, SluiceError } from "../core/errors.ts";
import type { RetryPolicy } from "../core/retry.ts";
import type { Delivery } from "../core/request.ts";
import { Slots } from "../core/slots.ts";
import type { Presence } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Meter } from "../telemetry/meter.ts";
import { attempt, deadByRefusal, decideVerdict, handedBack, type End, type Verdict } from "./attempt.ts";
import { logAttempt } from "./attempt-log.ts";
import { AttemptTimes } from "./attempt-times.ts";
import { Breaker } from "./breaker.ts";
import type { Gate } from "./gate.ts";
import { Pace } from "./pace.ts";
import { RateGate } from "./rate-gate.ts";
import type { Runner } from "./runner.ts";
import { SharedGate } from "./shared-gate.ts";
import { Signal } from "./signal.ts";
import { transactedAttempt } from "./transaction.ts";
import type { WorkerEngine } from "./worker-engine.ts";

export interface WorkerOptions {
  readonly engine: WorkerEngine;
  readonly queue: string;
  readonly runner: Runner;
  /** Attempts that run at once. */
  readonly concurrency: number;
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
const commitRetryMinMs = 50;
const commitRetryMaxMs = 2_000;

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
  readonly #breaker: Breaker;
  readonly #pace: Pace;
  readonly #times: AttemptTimes | undefined;
  /** Claimed, not begun. */
  readonly #ready: Delivery[] = [];
  /** Deliveries that run, or whose end is being committed. */
  #inFlight = 0;
  /** Fires whenever something changed that the claiming waits for. */
  readonly #moved = new Signal();
  readonly #stopClaiming = new AbortController();
  /** Cuts off each attempt under way. */
  readonly #cutOffs = new Slots<() => void>();
  #isCutOff = false;
  #running = 0;
  #claiming: Promise<void> | undefined;
  #presence: Presence | undefined;
  #gateTimer: NodeJS.Timeout | undefined;
  #isStartDue = false;
  #draining: Promise<void> | undefined;

  constructor(options: WorkerOptions) {
    const { clock, queue, meter } = options;
    this.#options = options;
    this.#gate = this.#openGate();
    this.#breaker = new Breaker({ clock });
    this.#pace = new Pace(clock);
    this.#times = meter && new AttemptTimes(meter, queue);
  }

  #openGate(): Gate {
    const { engine, queue, ratePerHour, burst, clock, concurrency } = this.#options;
    const starts = engine.starts?.bind(engine);
    if (starts === undefined || ratePerHour === undefined) return new RateGate({ ratePerHour, burst, clock });
    const startable = (): number =>
      Math.min(this.#ready.length, concurrency - this.#running + this.#pace.within(aheadMs));
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
    this.#stopClaiming.abort();
    this.#moved.fire();
    await this.#claiming;
    clearTimeout(this.#gateTimer);
    this.#handBackReady();
    const graceOver = setTimeout(() => this.#cutOff(), graceMs);
    while (this.#inFlight > 0) await this.#moved.wait(Number.POSITIVE_INFINITY);
    clearTimeout(graceOver);
    await this.#gate.close();
    await this.#options.runner.close();
  }

  #cutOff(): void {
    this.#isCutOff = true;
    for (const cutOff of this.#cutOffs.values()) cutOff();
  }

  async #claim(): Promise<void> {
    const { engine, queue, log } = this.#options;
    using presence = engine.attend(queue);
    this.#presence = presence;
    const { signal } = this.#stopClaiming;
    let retryMs = commitRetryMinMs;
    while (!signal.aborted) {
      const max = this.#claimable();
      if (max === 0) {
        await this.#moved.wait(this.#claimableInMs());
        continue;
      }
      try {
        this.#ready.push(...(await engine.deliver({ queue, max, signal })));
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

  /** How many more deliveries may be claimed now. */
  #claimable(): number {
    const timely = Math.min(this.#gate.within(aheadMs), this.#breaker.room()) - this.#ready.length;
    return Math.max(0, Math.min(this.#free(), timely));
  }

  /** Places for deliveries: one for each attempt at a time, and some for those under way to or from the store. */
  #free(): number {
    const ahead = Math.min(aheadMax, this.#pace.within(aheadMs));
    return this.#options.concurrency + ahead - this.#inFlight - this.#ready.length;
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
    const { engine, concurrency } = this.#options;
    if (this.#ready.length === 0 || this.#running >= concurrency) return false;
    if (this.#breaker.room() === 0) {
      this.#handBackReady();
      return false;
    }
    if (!this.#gate.take()) {
      this.#startLater();
      return false;
    }
    const delivery = this.#ready.shift() as Delivery;
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
    this.#breaker.started();
    const startedAt = clock.monotonic();
    const end = await this.#attempt(delivery);
    this.#running -= 1;
    this.#pace.finished();
    this.#heed(end);
    const isTargetOut = this.#breaker.state !== "closed";
    const durationMs = clock.monotonic() - startedAt;
    this.#times?.note(end, durationMs);
    logAttempt(log, { delivery, end, durationMs });
    this.#startReady();
    if (end.kind !== "committed") {
      await this.#commit(delivery, decideVerdict(delivery, end, { policy, clock, random, isTargetOut }));
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

  #heed(end: End): void {
    const before = this.#breaker.state;
    if (end.kind === "cut-off") this.#breaker.unknown();
    else if (end.kind === "unknown" || (end.kind === "failed" && end.blame !== "request")) this.#breaker.failed();
    else this.#breaker.answered();
    const { queue, log } = this.#options;
    const { state } = this.#breaker;
    this.#presence?.breakerOpen(state !== "closed");
    if (before === "closed" && state === "open") log.warn({ queue }, "the target is out: deliveries stop");
    if (before !== "closed" && state === "closed") log.info({ queue }, "the target is back: deliveries go on");
  }

  #handBackReady(): void {
    for (const delivery of this.#ready.splice(0)) this.#track(this.#commit(delivery, handedBack));
  }

  /** Commits a verdict, again and again while the store is unavailable: what was done must not be lost. */
  async #commit({ claim }: Delivery, decided: Verdict): Promise<void> {
    const { engine, queue, log } = this.#options;
    let verdict = decided;
    for (let retryMs = commitRetryMinMs; ; retryMs = Math.min(retryMs * 2, commitRetryMaxMs)) {
      try {
        const result =
          verdict.kind === "settle"
            ? await engine.settle(claim, verdict.outcome)
            : await engine.retry(claim, verdict.options);
        if (result === "superseded") log.warn({ queue, id: claim.id }, "a late outcome was refused");
        return;
      } catch (error) {
        const dead = verdict === decided ? deadByRefusal(error) : undefined;
        if (dead === undefined && !isUnavailable(error)) throw error;
        log.warn({ queue, id: claim.id, err: messageOf(error) }, "cannot commit an outcome");
        verdict = dead ?? verdict;
        if (this.#isCutOff) return; // the next start finds the claim and runs it again
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  #track(work: Promise<void>): void {
    this.#inFlight += 1;
    void work.finally(() => {
      this.#inFlight -= 1;
      this.#moved.fire();
    });
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof SluiceError && error.consequence === "unavailable";
}
