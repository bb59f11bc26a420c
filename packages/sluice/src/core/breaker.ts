// Judges the health of a target from the ends of attempts, and stops deliveries while it is out. Pure: the clock is
// passed in.
//
// The evidence is the share of failures over different requests. A request counts once: when it fails again it says
// nothing new of the target, so that a few bad requests never stop a queue. Each failure of a request that had not failed
// adds one to the score, each answer takes nine away: the score grows only while more than nine in ten fail. The breaker
// opens at ten, and no sooner than more attempts failed than still run; evidence that is older than a minute is void.
//
// While it is open, a round of deliveries after each pause probes the target: one at first, twice as many after each round
// that failed. Requests of one sender often wait in a row, so that a single probe would meet bad ones again and again. An
// answer closes it.
import type { Clock } from "./clock.ts";
import type { RequestId } from "./request-id.ts";

export interface BreakerOptions {
  readonly clock: Clock;
  readonly pauseMs?: number;
  readonly pauseMaxMs?: number;
  /** The longest pause that a target can ask for with Retry-After. */
  readonly retryAfterMaxMs?: number;
  /** Probes at a time, at most; 1 unless given. */
  readonly probesMax?: number;
}

export type BreakerState = "closed" | "open" | "probing";

/** Why deliveries stop: the target is out, or this process lacks a resource. */
export type OpenReason = "target" | "worker";

export interface FailedRequest {
  readonly id: RequestId;
  /** Which attempt failed, from 1. */
  readonly attempt: number;
  /**
   * `outage`: the target says so itself, or cannot be reached. `silence`: it did not answer in time.
   * `error`: it took the request, and failed.
   */
  readonly sign: "outage" | "silence" | "error";
  /** Attempts that still run. */
  readonly running: number;
  readonly retryAfterMs: number | undefined;
}

export interface Judgement {
  /** Whether the attempt is the request's own (I4): false while an outage is to blame. */
  readonly isCounted: boolean;
  /** The least time until the next attempt: it grows for a request that fails again and again without counting. */
  readonly leastWaitMs: number;
}

/** What is known of a request that failed. */
interface Failing {
  readonly at: number;
  /** Failures that did not count. */
  readonly excused: number;
}

const scoreToOpen = 10;
/** From here on an outage is likely enough that failures which can be its doing do not count. */
const scoreToExcuse = 5;
const answerWeighs = 9;
const evidenceMs = 60_000;
/** Requests that failed, remembered by id. An older one that fails again counts as new. */
const failingMax = 1_024;
/** So often in a row the store may go away with an attempt. */
const lossesMax = 5;

export class Breaker {
  readonly #clock: Clock;
  readonly #pauseMinMs: number;
  readonly #pauseMaxMs: number;
  readonly #retryAfterMaxMs: number;
  readonly #probesMax: number;
  readonly #failing = new Map<RequestId, Failing>();
  #state: BreakerState = "closed";
  #reason: OpenReason = "target";
  #score = 0;
  #losses = 0;
  #failedAt = Number.NEGATIVE_INFINITY;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #pauseMs: number;
  #probeAt = 0;
  /** Probes of a round, and those of them that may still start. */
  #round = 1;
  #left = 0;
  readonly #probes = new Set<RequestId>();

  constructor({ clock, pauseMs = 1_000, pauseMaxMs = 15_000, ...bounds }: BreakerOptions) {
    this.#clock = clock;
    this.#pauseMinMs = pauseMs;
    this.#pauseMaxMs = pauseMaxMs;
    this.#retryAfterMaxMs = bounds.retryAfterMaxMs ?? 60_000;
    this.#probesMax = bounds.probesMax ?? 1;
    this.#pauseMs = pauseMs;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Of the last opening. */
  get reason(): OpenReason {
    return this.#reason;
  }

  /** How many deliveries may start now. */
  room(): number {
    if (this.#state === "closed") return Number.POSITIVE_INFINITY;
    if (this.#state === "probing") return this.#left;
    return this.waitMs() === 0 ? this.#round : 0;
  }

  /** Milliseconds until the next probe; infinite while a round is under way. */
  waitMs(): number {
    if (this.#state === "closed" || this.#left > 0) return 0;
    return this.#state === "open" ? Math.max(0, this.#probeAt - this.#clock.monotonic()) : Number.POSITIVE_INFINITY;
  }

  /** A delivery starts: on an open breaker it is a probe. */
  started(id: RequestId): void {
    if (this.#state === "closed") return;
    if (this.#state === "open") this.#left = this.#round;
    this.#state = "probing";
    this.#left -= 1;
    this.#probes.add(id);
  }

  /** The target answered, be it with an error of the request's own. */
  answered(id: RequestId): undefined {
    this.#answeredAt = this.#clock.monotonic();
    this.#score = Math.max(0, this.#score - answerWeighs);
    this.#losses = 0;
    if (this.#failing.size > 0) this.#failing.delete(id);
    if (this.#state === "closed") return;
    // An attempt on an older connection goes well while the process has none left to open.
    if (this.#reason === "worker" && !this.#probes.has(id)) return;
    this.#state = "closed";
    this.#score = 0;
    this.#pauseMs = this.#pauseMinMs;
    this.#endRound(1);
  }

  /** The attempt ended without telling anything of the target: cut off by a shutdown. */
  unknown(id: RequestId): undefined {
    if (!this.#probes.delete(id) || this.#probes.size > 0) return;
    this.#state = "open";
    this.#left = 0;
  }

  failed({ id, attempt, sign, running, retryAfterMs = 0 }: FailedRequest): Judgement {
    const known = this.#failing.get(id);
    const pauseMs = Math.min(retryAfterMs, this.#retryAfterMaxMs);
    if (this.#state === "closed") {
      // One that had failed before this process started is no news either, once the target answered others.
      const isRepeat = known !== undefined || (attempt > 1 && this.#answeredAt !== Number.NEGATIVE_INFINITY);
      if (!isRepeat) this.#addEvidence();
      if (this.#score >= Math.max(scoreToOpen, running)) this.#open("target", pauseMs);
    } else this.#probeFailed(id, sign, pauseMs);
    return this.#judge(id, sign, known);
  }

  /** The process lacks a resource of its own: nothing can be said of request and target. */
  exhausted(id: RequestId): Judgement {
    if (this.#state === "closed") this.#open("worker", 0);
    else this.#probeFailed(id, "outage", 0);
    return { isCounted: false, leastWaitMs: this.#pauseMs };
  }

  /** The store went away with the attempt: several times in a row it is this process's own trouble. */
  storeLost(id: RequestId): undefined {
    this.#losses += 1;
    if (this.#state !== "closed") this.#probeFailed(id, "outage", 0);
    else if (this.#losses >= lossesMax) this.#open("worker", 0);
  }

  /** A round ends with the last of its probes. One that met an error was taken by the target: the pause need not grow. */
  #probeFailed(id: RequestId, sign: FailedRequest["sign"], retryAfterMs: number): void {
    if (!this.#probes.delete(id)) return;
    this.#left = 0;
    if (this.#probes.size > 0) return;
    this.#pauseMs = sign === "error" ? this.#pauseMinMs : Math.min(this.#pauseMs * 2, this.#pauseMaxMs);
    this.#endRound(Math.min(this.#round * 2, this.#probesMax));
    this.#open(this.#reason, retryAfterMs);
  }

  #endRound(next: number): void {
    this.#round = next;
    this.#left = 0;
    this.#probes.clear();
  }

  #addEvidence(): void {
    if (!this.#isFresh()) this.#score = 0;
    this.#failedAt = this.#clock.monotonic();
    this.#score += 1;
  }

  #isFresh(): boolean {
    return this.#clock.monotonic() - this.#failedAt <= evidenceMs;
  }

  #open(reason: OpenReason, retryAfterMs: number): void {
    this.#state = "open";
    this.#reason = reason;
    this.#probeAt = this.#clock.monotonic() + Math.max(this.#pauseMs, retryAfterMs);
  }

  /**
   * An error is the request's own: the target looked at it. Silence is, unless the target is likely to be out. What the
   * target itself calls an outage is as well, and each further time only if others were answered since.
   */
  #judge(id: RequestId, sign: FailedRequest["sign"], known: Failing | undefined): Judgement {
    const isLikelyOut = this.#state !== "closed" || (this.#score >= scoreToExcuse && this.#isFresh());
    const isContradicted = known === undefined || this.#answeredAt > known.at;
    const isCounted = sign === "error" || (!isLikelyOut && (sign === "silence" || isContradicted));
    const excused = isCounted ? 0 : (known?.excused ?? 0) + 1;
    this.#remember(id, { at: this.#clock.monotonic(), excused });
    const leastWaitMs = isCounted ? 0 : Math.min(this.#pauseMaxMs, this.#pauseMinMs * 2 ** Math.min(excused - 1, 20));
    return { isCounted, leastWaitMs };
  }

  #remember(id: RequestId, failing: Failing): void {
    this.#failing.delete(id); // the newest last
    this.#failing.set(id, failing);
    if (this.#failing.size <= failingMax) return;
    for (const oldest of this.#failing.keys()) {
      this.#failing.delete(oldest);
      return;
    }
  }
}
