// What is known of the receivers of callbacks, host by host, so that one that is slow, out or gone costs the others nothing. It
// owns the places of each host, its breaker, and the URLs that answered 410. All of it is this process's own, and forgotten
// with it: what a receiver says, it says again.
import { Breaker } from "../core/breaker.ts";
import type { Clock } from "../core/clock.ts";
import type { Delivery } from "../core/request.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AttemptEnd } from "./runner.ts";

/** The part of all places that one host never gets. */
const othersShare = 1 / 4;
/** How long an attempt waits for a place of its host, which costs the others one of theirs. */
const placeWaitMs = 250;
/** How long an attempt is put off while its receiver is out: as long as that has been out, between these. */
const outMsMin = 5_000;
const outMsMax = 600_000;
/** After that time a URL that was gone is asked again. */
const goneMs = 24 * 3_600_000;
const goneMax = 10_000;
const hostsMax = 1_000;

export interface ReceiversOptions {
  /** Attempts at once, over all hosts. */
  readonly concurrency: number;
  readonly retryAfterMaxMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
}

type Failed = Extract<AttemptEnd, { kind: "failed" }>;

export class Receivers {
  readonly #options: ReceiversOptions;
  readonly #hosts = new Map<string, Receiver>();
  /** Until when, by the monotonic clock. */
  readonly #gone = new Map<string, number>();

  constructor(options: ReceiversOptions) {
    this.#options = options;
  }

  of({ host }: URL): Receiver {
    const known = this.#hosts.get(host);
    if (known !== undefined) return known;
    for (const [name, receiver] of this.#hosts) {
      if (this.#hosts.size < hostsMax) break;
      if (receiver.isIdle) this.#hosts.delete(name);
    }
    const receiver = new Receiver(host, this.#options);
    this.#hosts.set(host, receiver);
    return receiver;
  }

  isGone({ href }: URL): boolean {
    return (this.#gone.get(href) ?? 0) > this.#options.clock.monotonic();
  }

  /** The receiver answered 410 (RFC 9110, 15.5.11): nobody is there any more. */
  noteGone({ href, origin }: URL): void {
    this.#options.log.warn({ receiver: origin }, "a receiver answered 410: its URL gets no more callbacks");
    for (const oldest of this.#gone.keys()) {
      if (this.#gone.size < goneMax) break;
      this.#gone.delete(oldest);
    }
    this.#gone.set(href, this.#options.clock.monotonic() + goneMs);
  }
}

/** Why an attempt has to wait. */
export interface NoPlace {
  readonly why: string;
  readonly retryMs: number;
}

/** One host. */
export class Receiver {
  readonly #host: string;
  readonly #options: ReceiversOptions;
  readonly #breaker: Breaker;
  readonly #placesMax: number;
  readonly #waiting = new Set<() => void>();
  #running = 0;
  #outSince = 0;

  constructor(host: string, options: ReceiversOptions) {
    this.#host = host;
    this.#options = options;
    const { concurrency, retryAfterMaxMs, clock } = options;
    this.#placesMax = Math.max(1, concurrency - Math.ceil(concurrency * othersShare));
    this.#breaker = new Breaker({ clock, retryAfterMaxMs });
  }

  get isIdle(): boolean {
    return this.#running === 0 && this.#waiting.size === 0 && this.#breaker.state === "closed";
  }

  /** A place for this attempt, or why there is none and how long to wait for the next try. */
  async enter({ request: { id } }: Delivery): Promise<NoPlace | undefined> {
    if (this.#breaker.room() > 0 && this.#running >= this.#placesMax) await this.#place();
    if (this.#breaker.room() === 0) {
      const { clock, random } = this.#options;
      const outMs = Math.min(outMsMax, Math.max(outMsMin, clock.monotonic() - this.#outSince));
      return { retryMs: Math.max(this.#leastMs(), outMs * (0.5 + random() / 2)), why: "is out" };
    }
    if (this.#running >= this.#placesMax) return { retryMs: 0, why: `has its ${this.#placesMax} attempts at once` };
    this.#running += 1;
    this.#breaker.started(id);
    return undefined;
  }

  #leastMs(): number {
    const waitMs = this.#breaker.waitMs();
    return Number.isFinite(waitMs) ? waitMs : 0;
  }

  /** Resolves when a place is free, or after a while. */
  async #place(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const timer = setTimeout(resolve, placeWaitMs);
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }

  /** The attempt ended; undefined where it was cut off and says nothing of the receiver. */
  left({ request: { id }, attempt }: Delivery, end: AttemptEnd | undefined): void {
    this.#running -= 1;
    this.#callNext();
    const before = this.#breaker.state;
    if (end === undefined) this.#breaker.unknown(id);
    else if (end.kind === "done" || end.blame === "request") this.#breaker.answered(id);
    else if (end.blame === "worker") this.#breaker.unknown(id);
    else this.#failed(id, attempt, end);
    if (before === "closed" && this.#breaker.state !== "closed") this.#wentOut();
    if (before !== "closed" && this.#breaker.state === "closed")
      this.#options.log.info({ receiver: this.#host }, "a receiver of callbacks is back");
  }

  #callNext(): void {
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    next();
  }

  #failed(id: Delivery["request"]["id"], attempt: number, { blame, failure: { retryAfterMs } }: Failed): void {
    this.#breaker.failed({
      id,
      attempt,
      sign: blame === "outage" ? "outage" : "error",
      running: this.#running,
      retryAfterMs,
    });
  }

  #wentOut(): void {
    this.#outSince = this.#options.clock.monotonic();
    this.#options.log.warn({ receiver: this.#host }, "a receiver of callbacks is out: callbacks to it wait");
  }
}
