// When a request of one queue will be finished: a time that nine in ten keep.
//
// What is ahead of a request takes its place in the line divided by the rate that the queue finishes at while it is busy,
// and no less than one takes that finds nobody ahead. That is the middle. How far actual times lie from it is learned from
// some of the receipts given before, apart for short and long times: of their ratios of actual to predicted time the 90th
// percentile goes on top. Pure: the times are passed in, of any clock that does not go back.
import type { RequestId } from "./request-id.ts";

/** What is known of a queue at one time. */
export interface LineReading {
  readonly at: number;
  /** The same by the wall clock. */
  readonly now: number;
  readonly backlog: number;
  readonly waiting: number;
  /** Requests with an outcome from a run, ever. */
  readonly finished: number;
  /** Whether any worker delivers. */
  readonly isDelivered: boolean;
  /** Whether an attempt runs, or would begin soon: something could be finished. */
  readonly isTried: boolean;
}

/** Requests are tried, and none is finished. */
export interface Standstill {
  /** By the wall clock. */
  readonly since: number;
  /** Longer than a start may wait for the rate and an attempt may take, and a minute at least. */
  readonly isLong: boolean;
}

export interface FinishBounds {
  /** The queue's set rate, if it has one. */
  readonly ratePerHour?: number | undefined;
  /** How long an attempt may take. */
  readonly timeoutMs?: number | undefined;
}

/** A receipt whose actual time is looked at later. */
interface Sample {
  readonly id: RequestId;
  readonly acceptedAt: number;
  readonly at: number;
  /** Undefined for one that only shows how long one takes alone. */
  readonly predictedMs: number | undefined;
  readonly promisedMs: number | undefined;
  /** Whether it found nobody waiting. */
  readonly isAlone: boolean;
  lookAt: number;
}

const hourMs = 3_600_000;
/** No promise looks further ahead. */
const horizonMs = 365 * 24 * hourMs;
/** Promises that are to be kept: a little more than nine in ten, for what is learned comes late while a line grows. */
const kept = 0.93;
/** What was finished lately counts: of about so long, and about so many. */
const memoryMs = 30_000;
const memoryCount = 100;
/** Nothing may be finished for at least so long before it tells of more than slow attempts. */
const standstillMsMin = 60_000;
/** Two readings so far apart tell nothing of what was between them, unless enough waited for all of it. */
const gapMsMax = 5_000;
/** Ratios that are remembered of each class of times, and those that it takes to go by them. */
const ratiosMax = 100;
const ratiosMin = 8;
/** Of what was not seen yet, the actual time is at least this much longer: the rate is not known better than that. */
const unknownSpread = 0.15;
/** Each class is twice as long as the one before. */
const classes = 42;
/** Receipts that are looked at later: at most one in so long, and so many at a time. */
const sampleEveryMs = 50;
const samplesPerWait = 64;
const samplesMax = 128;
/** How far the percentile moves with a promise: towards more of them kept after one that was broken. */
const levelStep = 0.02;
const levelBounds = { min: 0.6, max: 0.99 } as const;

export class FinishEstimate {
  readonly #ratePerMs: number | undefined;
  readonly #standstillMsMax: number;
  readonly #ratios: number[][] = Array.from({ length: classes }, () => []);
  readonly #factors: (number | undefined)[] = Array.from({ length: classes });
  readonly #alone: number[] = [];
  #aloneMs: number | undefined;
  #level: number = kept;
  #reading: LineReading | undefined;
  #still: Pick<LineReading, "at" | "now"> | undefined;
  #busyMs = 0;
  #busyFinished = 0;
  /** Accepted since the reading. */
  #since = 0;
  readonly #samples: Sample[] = [];
  #sampledAt = Number.NEGATIVE_INFINITY;

  constructor({ ratePerHour, timeoutMs = 0 }: FinishBounds = {}) {
    this.#ratePerMs = ratePerHour === undefined ? undefined : ratePerHour / hourMs;
    const startMs = ratePerHour === undefined ? 0 : hourMs / ratePerHour;
    this.#standstillMsMax = Math.max(standstillMsMin, startMs + timeoutMs);
  }

  read(reading: LineReading): void {
    const last = this.#reading;
    this.#reading = reading;
    this.#since = 0;
    if (!reading.isTried) this.#still = undefined;
    else if (this.#still === undefined || last?.finished !== reading.finished) this.#still = reading;
    if (last === undefined || reading.at <= last.at) return;
    const tookMs = reading.at - last.at;
    const finished = reading.finished - last.finished;
    const wasBusy = finished <= last.waiting || (reading.waiting > 0 && tookMs <= gapMsMax);
    if (!last.isDelivered || !reading.isDelivered || last.waiting === 0 || finished < 0 || !wasBusy) return;
    const ratePerMs = this.#busyMs > 0 ? this.#busyFinished / this.#busyMs : 0;
    const fade = Math.exp(-tookMs / Math.max(memoryMs, ratePerMs > 0 ? memoryCount / ratePerMs : 0));
    this.#busyMs = this.#busyMs * fade + tookMs;
    this.#busyFinished = this.#busyFinished * fade + finished;
  }

  /** Within how long a request is finished that is accepted now, and moves the end of the line; undefined while unknown. */
  promiseNext(id: RequestId, acceptedAt: number, at: number): number | undefined {
    this.#since += 1;
    const predictedMs = this.predictMs(1, at);
    const promisedMs = predictedMs && this.promiseMs(predictedMs);
    this.#sample({ id, acceptedAt, predictedMs, promisedMs, at });
    return promisedMs;
  }

  /** Undefined while nothing is tried. */
  standstill(at: number): Standstill | undefined {
    const still = this.#still;
    return still && { since: still.now, isLong: at - still.at >= this.#standstillMsMax };
  }

  /** How long the part of the line takes; undefined while no rate is known, or nothing is finished any more. */
  predictMs(share: number, at: number): number | undefined {
    const reading = this.#reading;
    if (reading === undefined || this.standstill(at)?.isLong === true) return undefined;
    const ratePerMs = this.ratePerMs;
    const alone = this.#aloneMs;
    if (ratePerMs === undefined) return reading.waiting === 0 ? alone : undefined;
    const gone = (at - reading.at) * ratePerMs;
    const lineMs = Math.max(1, (reading.backlog + this.#since) * share - gone) / ratePerMs;
    return lineMs > horizonMs ? undefined : Math.max(lineMs, alone ?? 0);
  }

  /** What nine in ten keep of those that were predicted so long. */
  promiseMs(predictedMs: number): number {
    return Math.min(horizonMs, predictedMs * this.#factorOf(predictedMs));
  }

  /** What is finished while it is busy; where that was never seen, one after the other. */
  get capacityPerMs(): number | undefined {
    return this.ratePerMs ?? (this.#aloneMs && 1 / this.#aloneMs);
  }

  get ratePerMs(): number | undefined {
    if (this.#busyFinished < 1) return this.#ratePerMs;
    return Math.min(this.#busyFinished / this.#busyMs, this.#ratePerMs ?? Number.POSITIVE_INFINITY);
  }

  /** Receipts to look at now, at most `max`; each comes again unless `learn` or `forget` ends it. */
  due(now: number, max: number): readonly RequestId[] {
    const due = this.#samples.filter(({ lookAt }) => lookAt <= now).slice(0, max);
    for (const sample of due) sample.lookAt = now + Math.max(200, (now - sample.at) / 8);
    return due.map(({ id }) => id);
  }

  /** The request of a receipt was finished; by the clock of its acceptance. */
  learn(id: RequestId, finishedAt: number): void {
    const sample = this.forget(id);
    if (sample === undefined) return;
    const actualMs = Math.max(1, finishedAt - sample.acceptedAt);
    if (sample.isAlone) {
      push(this.#alone, actualMs);
      this.#aloneMs = quantile(this.#alone, 0.5);
    }
    const { predictedMs, promisedMs } = sample;
    if (predictedMs === undefined || promisedMs === undefined) return;
    push(this.#ratios[classOf(predictedMs)] as number[], actualMs / predictedMs);
    this.#level += levelStep * ((actualMs > promisedMs ? 1 : 0) - (1 - kept));
    this.#level = Math.min(levelBounds.max, Math.max(levelBounds.min, this.#level));
    this.#factors.fill(undefined);
  }

  forget(id: RequestId): Sample | undefined {
    const index = this.#samples.findIndex((sample) => sample.id === id);
    return index < 0 ? undefined : this.#samples.splice(index, 1)[0];
  }

  #sample(receipt: Omit<Sample, "isAlone" | "lookAt">): void {
    const { at, predictedMs = 0 } = receipt;
    const everyMs = Math.max(sampleEveryMs, predictedMs / samplesPerWait);
    if (at - this.#sampledAt < everyMs || this.#samples.length >= samplesMax) return;
    this.#sampledAt = at;
    const isAlone = this.#reading?.waiting === 0 && this.#since <= 1;
    this.#samples.push({ ...receipt, isAlone, lookAt: at + predictedMs });
  }

  #factorOf(predictedMs: number): number {
    const of = classOf(predictedMs);
    this.#factors[of] ??= this.#factorNear(of);
    return this.#factors[of];
  }

  /** By its own ratios, or those of the nearest class that has enough: many times average out, so that longer spreads less. */
  #factorNear(of: number): number {
    for (let apart = 0; apart < classes; apart += 1) {
      for (const near of [of - apart, of + apart]) {
        const ratios = this.#ratios[near] ?? [];
        if (ratios.length < ratiosMin) continue;
        const factor = quantile(ratios, this.#level);
        if (near === of) return factor;
        return 1 + Math.max(unknownSpread, (factor - 1) * 2 ** ((near - of) / 2));
      }
    }
    return 1;
  }
}

function classOf(ms: number): number {
  return Math.min(classes - 1, Math.max(0, Math.round(Math.log2(ms))));
}

function push(ring: number[], value: number): void {
  ring.push(value);
  if (ring.length > ratiosMax) ring.shift();
}

/** The least of them that no less than this part of them, and of one more to come, lies below. */
function quantile(values: readonly number[], level: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length, Math.ceil((sorted.length + 1) * level)) - 1] as number;
}
