// Finds how many requests B can work on at once, by how long they take. Pure: the time is passed in.
//
// B is taken for a queue with servers. While some are idle, one more request in flight slows no other; once all are busy, it adds
// its wait to every other. The limit belongs at that knee. To find it, the limit alternates between a base and, for a round trip
// each, a limit above and one below. The slope is the rise of the latency between two limits, over the rise where all servers
// are busy, which Little's law gives: 0 below the knee, 1 above. A slope under a half moves the base up, one over it down. A move
// in the same direction as the last doubles the step, a stay halves it.
//
// The two visits of a comparison are neighbours in time, so a B that changes is followed, and no latency of old is believed in.
// A slope is known once it differs from a half by twice its error.

export interface AutoLimitOptions {
  /** The limit never exceeds it. */
  readonly max: number;
}

/** An attempt under way, to be given back to `ended`. */
export interface AutoStart {
  readonly startedAtMs: number;
  /** Attempts in flight, with this one. */
  readonly inFlight: number;
  /** Undefined where the limit was not used up: such a latency says nothing of the limit. */
  readonly visit: Visit | undefined;
}

export interface AutoEnd {
  readonly nowMs: number;
  /**
   * `answered`: the duration says how busy B is; a timeout's does too. `overload`: B refused it as one too many (429, 503).
   * `failed`: says nothing of B's capacity.
   */
  readonly kind: "answered" | "overload" | "failed";
  /** How long B asked to be spared. */
  readonly retryAfterMs?: number | undefined;
}

const hourMs = 3_600_000;
const firstLimit = 4;
/** Smaller steps take long to tell from noise. One of 8 % leaves the limit within 4 % of the knee. */
const stepMin = 0.08;
/** A little under a half: where the knee is not sharp, the shorter queue is the better one. */
const slopeAtKnee = 0.45;
/** Errors by which a slope must differ. */
const sureness = 2;
/** A slope that is known better than this, and is still not one or the other, says where between the limits the knee is. */
const exactError = 0.25;
const pairsMax = 200;
const visitMin = 6;
/** A small limit cannot be probed by a small step: its probes are rare once it has proved right. */
const calmLimit = 64;
/** How long a limit that B refused or broke down at is not tried again. */
const ceilingMs = 30_000;
const ceilingTrips = 300;
/** A rise of more than all of the wait: B does not queue, it breaks down. */
const cliffSlope = 1.5;

export class AutoLimit {
  readonly #max: number;
  #inFlight = 0;
  /** The best limit known; the one in force is the current visit's. */
  #base = firstLimit;
  #step = 1;
  #lastMove: "up" | "down" | undefined;
  /** How much longer the visits to the base are. */
  #calm = 1;
  #above: Slope | undefined;
  #below: Slope | undefined;
  #visit = new Visit(firstLimit);
  #probe: Probe | undefined;
  #isNextAbove = true;
  /** Latencies at the base. */
  readonly #whole = { sum: 0, count: 0 };
  /** The mean of the latest judgement. */
  #latencyMs: number | undefined;
  /** A moving geometric mean, which no tail moves much. */
  #typicalMs = 0;
  /** The limit stays below it. */
  #ceiling = Number.POSITIVE_INFINITY;
  #ceilingUntil = Number.POSITIVE_INFINITY;
  /** Halved: until then nothing above is tried, and then the limit from before, if B did not refuse that itself. */
  #held: { readonly until: number; readonly before: number } | undefined;
  #halvedAt = Number.NEGATIVE_INFINITY;
  /** Comparisons in a row that looked like a cliff. */
  #cliffs = 0;

  constructor({ max }: AutoLimitOptions) {
    this.#max = max;
    this.#setBase(firstLimit);
  }

  /** Attempts that may be in flight now. */
  get limit(): number {
    return this.#visit.limit;
  }

  /** The limit without the probes around it: for people. */
  get base(): number {
    return this.#base;
  }

  /** What B does at this limit; undefined until it is known. */
  get ratePerHour(): number | undefined {
    return this.#latencyMs === undefined ? undefined : (this.#base / this.#latencyMs) * hourMs;
  }

  started(nowMs: number): AutoStart {
    this.#expire(nowMs);
    this.#inFlight += 1;
    const visit = this.#visit;
    const isFull = this.#inFlight >= Math.ceil(visit.limit * 0.98);
    if (!isFull) return { startedAtMs: nowMs, inFlight: this.#inFlight, visit: undefined };
    visit.started += 1;
    if (visit.started >= this.#lengthOf(visit)) this.#leave(visit, nowMs);
    return { startedAtMs: nowMs, inFlight: this.#inFlight, visit };
  }

  ended({ startedAtMs, inFlight, visit }: AutoStart, { nowMs, kind, retryAfterMs = 0 }: AutoEnd): void {
    this.#inFlight -= 1;
    if (visit !== undefined) visit.ended += 1;
    if (kind === "overload" && startedAtMs >= this.#halvedAt) this.#halve(inFlight, nowMs, retryAfterMs);
    if (kind !== "answered") return;
    const durationMs = Math.max(0.01, nowMs - startedAtMs);
    this.#typicalMs = this.#typicalMs === 0 ? durationMs : this.#typicalMs * (durationMs / this.#typicalMs) ** 0.01;
    if (visit === undefined) return;
    visit.add(Math.min(durationMs, 3 * this.#typicalMs)); // a wait moves the bulk; what is in the tail is chance
    if (visit.limit !== this.#base) return;
    this.#whole.sum += Math.min(durationMs, 30 * this.#typicalMs);
    this.#whole.count += 1;
  }

  #lengthOf({ limit }: Visit): number {
    if (limit !== this.#base) return Math.max(visitMin, limit);
    return Math.max(visitMin, 2 * limit) * Math.min(this.#calm, Math.max(2, calmLimit / limit));
  }

  #leave(visit: Visit, nowMs: number): void {
    if (visit.limit !== this.#base) {
      this.#visit = new Visit(this.#base);
      return;
    }
    if (this.#probe !== undefined) {
      if (!this.#probe.visit.isOver) return;
      this.#probe.slope.add(this.#probe);
      this.#probe = undefined;
      if (this.#judge(nowMs)) return;
    }
    const slope = this.#isNextAbove ? (this.#above ?? this.#below) : (this.#below ?? this.#above);
    this.#isNextAbove = !this.#isNextAbove;
    this.#visit = new Visit(slope === undefined ? this.#base : slope === this.#above ? slope.high : slope.low);
    if (slope !== undefined) this.#probe = { slope, before: visit, visit: this.#visit };
  }

  /** Whether the slopes told something: comparing then begins again. */
  #judge(nowMs: number): boolean {
    if (this.#whole.count > 0) this.#latencyMs = this.#whole.sum / this.#whole.count;
    const above = this.#above === undefined ? "steep" : this.#sideOf(this.#above);
    const below = this.#below === undefined ? "flat" : this.#sideOf(this.#below);
    if (above === "steep" && this.#isCliff()) {
      this.#setCeiling((this.#above as Slope).high, nowMs);
      this.#stay();
    } else if (typeof above === "number") this.#settle(above);
    else if (typeof below === "number") this.#settle(below);
    else if (above === "flat" && below !== "steep") this.#go("up", (this.#above as Slope).high);
    else if (below === "steep" && above !== "flat") this.#go("down", (this.#below as Slope).low);
    else if (above !== undefined && below !== undefined) this.#stay();
    else return false;
    return true;
  }

  /** Undefined while it cannot be told; a number is the knee between the two limits. */
  #sideOf(slope: Slope): "flat" | "steep" | number | undefined {
    const estimate = this.#estimate(slope);
    if (estimate === undefined) return undefined;
    const { value, error } = estimate;
    const side = value < slopeAtKnee ? "flat" : "steep";
    if (Math.abs(value - slopeAtKnee) > sureness * error) return side;
    if (sureness * error > exactError && slope.pairs < pairsMax) return undefined;
    return this.#step > stepMin ? slope.high - value * (slope.high - slope.low) : side;
  }

  #estimate(slope: Slope): Estimate | undefined {
    const { sum, count } = this.#whole;
    return slope.pairs === 0 || count === 0 ? undefined : slope.estimate(sum / count / this.#base);
  }

  /** Twice in a row: one may be a pause of B. */
  #isCliff(): boolean {
    const estimate = this.#above && this.#estimate(this.#above);
    const isLike = estimate !== undefined && estimate.value - 3 * estimate.error > cliffSlope;
    this.#cliffs = isLike ? this.#cliffs + 1 : 0;
    return this.#cliffs >= 2;
  }

  #go(move: "up" | "down", base: number): void {
    const isReversal = this.#lastMove !== undefined && this.#lastMove !== move;
    this.#step = isReversal ? Math.max(stepMin, this.#step / 2) : Math.min(1, this.#step * 2);
    this.#lastMove = move;
    this.#calm = 1;
    this.#cliffs = 0;
    this.#setBase(base);
  }

  #settle(knee: number): void {
    this.#step = Math.max(stepMin, this.#step / 4);
    this.#lastMove = undefined;
    this.#calm = 1;
    this.#setBase(Math.round(knee));
  }

  #stay(): void {
    if (this.#step > stepMin) this.#step = Math.max(stepMin, this.#step / 2);
    else this.#calm = Math.min(calmLimit, this.#calm * 2);
    this.#lastMove = undefined;
    this.#setBase(this.#base);
  }

  #setBase(wanted: number): void {
    const most = Math.min(this.#max, this.#ceiling - 1);
    const base = Math.max(1, Math.min(most, wanted));
    const high = Math.min(most, Math.max(base + 1, Math.round(base * (1 + this.#step))));
    const low = Math.max(1, Math.min(base - 1, Math.round(base / (1 + this.#step))));
    this.#base = base;
    this.#above = high > base && this.#held === undefined ? new Slope(base, high) : undefined;
    this.#below = low < base ? new Slope(low, base) : undefined;
    this.#visit = new Visit(base);
    this.#probe = undefined;
    this.#whole.sum = 0;
    this.#whole.count = 0;
  }

  /** Once a round trip: what started before says nothing of the halved limit. */
  #halve(inFlight: number, nowMs: number, retryAfterMs: number): void {
    const heldMs = Math.max(this.#typicalMs, retryAfterMs);
    const half = Math.max(1, Math.floor(this.limit / 2));
    this.#halvedAt = nowMs;
    this.#held = { until: nowMs + heldMs, before: this.#base };
    this.#setCeiling(Math.max(half + 1, inFlight), nowMs);
    this.#ceilingUntil += heldMs;
    this.#lastMove = undefined;
    this.#calm = 1;
    this.#setBase(half);
  }

  #setCeiling(limit: number, nowMs: number): void {
    this.#ceiling = limit;
    this.#ceilingUntil = nowMs + Math.max(ceilingMs, ceilingTrips * this.#typicalMs);
    this.#cliffs = 1; // the next time once is enough
  }

  #expire(nowMs: number): void {
    if (this.#held !== undefined && nowMs >= this.#held.until) {
      const { before } = this.#held;
      this.#held = undefined;
      this.#setBase(before);
    }
    if (nowMs >= this.#ceilingUntil) {
      this.#ceiling = Number.POSITIVE_INFINITY;
      this.#ceilingUntil = Number.POSITIVE_INFINITY;
      this.#setBase(this.#base);
    }
  }
}

/** The latencies of what started while one limit was in force. */
class Visit {
  readonly limit: number;
  started = 0;
  ended = 0;
  count = 0;
  #sum = 0;
  #squares = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  add(durationMs: number): void {
    this.count += 1;
    this.#sum += durationMs;
    this.#squares += durationMs * durationMs;
  }

  /** Those that end first are the short ones. */
  get isOver(): boolean {
    return this.started - this.ended <= this.started / 10;
  }

  get mean(): number {
    return this.#sum / this.count;
  }

  /** Of the mean. */
  get variance(): number {
    return Math.max(0, this.#squares / this.count - this.mean ** 2) / this.count;
  }
}

interface Probe {
  readonly slope: Slope;
  readonly before: Visit;
  readonly visit: Visit;
}

interface Estimate {
  readonly value: number;
  readonly error: number;
}

/** Compares two limits, by pairs of visits. */
class Slope {
  readonly low: number;
  readonly high: number;
  pairs = 0;
  #sum = 0;
  #squares = 0;
  #variance = 0;

  constructor(low: number, high: number) {
    this.low = low;
    this.high = high;
  }

  add({ before, visit }: Probe): void {
    if (before.count < 2 || visit.count < 2) return;
    const rise = visit.limit > before.limit ? visit.mean - before.mean : before.mean - visit.mean;
    this.pairs += 1;
    this.#sum += rise;
    this.#squares += rise * rise;
    this.#variance += before.variance + visit.variance;
  }

  /** `waitMs`: by how much each further request in flight raises the latency where all servers are busy. */
  estimate(waitMs: number): Estimate {
    const { pairs } = this;
    const full = (this.high - this.low) * waitMs;
    const mean = this.#sum / pairs;
    // Waits last longer than a request: the latencies of one visit are too much alike to tell the error. The pairs differ by as
    // much as they are wrong; while there are too few of them, twice the error that the latencies tell is taken.
    const within = this.#variance / pairs ** 2;
    const between = pairs < 3 ? 4 * within : (this.#squares / pairs - mean ** 2) / (pairs - 1);
    return { value: mean / full, error: Math.sqrt(Math.max(within, between, 1e-9)) / full };
  }
}
