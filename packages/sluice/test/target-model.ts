// B as a discrete-event model: servers and one queue before them, for the tests of what finds B's capacity.
import { AutoLimit } from "../src/core/auto-limit.ts";
import { seededRandom, type Random } from "../src/core/seeded-random.ts";

export interface TargetShape {
  /** Busy at once at most, at a time. */
  readonly servers: (atMs: number) => number;
  readonly serviceMs: (random: Random, atMs: number) => number;
  /** Requests a millisecond that B can do for us, at a time. */
  readonly capacity: (atMs: number) => number;
  /** Beyond so many of ours in flight B responds 503. */
  readonly refusesBeyond?: number;
  readonly retryAfterMs?: number;
  /** Beyond so many of ours in flight each takes five times as long. */
  readonly breaksDownBeyond?: number;
  /** All servers stop, again and again. */
  readonly pause?: { readonly everyMs: number; readonly lengthMs: number };
  /** Requests a millisecond of another client, at a time. */
  readonly others?: (atMs: number) => number;
}

export interface Ended {
  readonly atMs: number;
  readonly tookMs: number;
  readonly isRefused: boolean;
}

export interface ModelOptions {
  readonly seed: number;
  readonly forMs: number;
  /** A limit that is discovered, or one that is fixed. */
  readonly limit: AutoLimit | number;
}

const roundTripMs = 0.5;

/** A sender that always has work keeps as many in flight as the limit allows; gives what ended. */
export function runAgainst(shape: TargetShape, options: ModelOptions): readonly Ended[] {
  const model = new TargetModel(shape, options);
  model.run();
  return model.ended;
}

class TargetModel {
  readonly ended: Ended[] = [];
  readonly #shape: TargetShape;
  readonly #options: ModelOptions;
  readonly #random: Random;
  readonly #events = new Schedule();
  readonly #queue: { readonly serviceMs: number; readonly done: () => void }[] = [];
  #now = 0;
  #busy = 0;
  #inFlight = 0;

  constructor(shape: TargetShape, options: ModelOptions) {
    this.#shape = shape;
    this.#options = options;
    this.#random = seededRandom(options.seed, "target model");
  }

  run(): void {
    this.#start();
    this.#lookAgain();
    if (this.#shape.others !== undefined) this.#startOther(this.#shape.others);
    while (this.#now < this.#options.forMs) {
      const { at, act } = this.#events.next();
      this.#now = at;
      act();
    }
  }

  #start(): void {
    const { limit } = this.#options;
    const { refusesBeyond, retryAfterMs, breaksDownBeyond, serviceMs } = this.#shape;
    while (this.#inFlight < (typeof limit === "number" ? limit : limit.limit)) {
      this.#inFlight += 1;
      const end = this.#begin(limit);
      if (refusesBeyond !== undefined && this.#inFlight > refusesBeyond) {
        this.#in(roundTripMs, () => end("overload", retryAfterMs));
        continue;
      }
      const slowness = breaksDownBeyond !== undefined && this.#inFlight > breaksDownBeyond ? 5 : 1;
      const takesMs = slowness * serviceMs(this.#random, this.#now);
      const done = (): void => this.#in(roundTripMs / 2, () => end("answered"));
      this.#in(roundTripMs / 2, () => this.#arrive(takesMs, done));
    }
  }

  #begin(limit: AutoLimit | number): (kind: "answered" | "overload", retryAfterMs?: number) => void {
    const startedAt = this.#now;
    const auto = typeof limit === "number" ? undefined : { limit, start: limit.started(startedAt) };
    return (kind, retryAfterMs) => {
      this.#inFlight -= 1;
      auto?.limit.ended(auto.start, { nowMs: this.#now, kind, retryAfterMs });
      this.ended.push({ atMs: this.#now, tookMs: this.#now - startedAt, isRefused: kind === "overload" });
      this.#start();
    };
  }

  #startOther(others: (atMs: number) => number): void {
    this.#in(-Math.log(1 - this.#random.next()) / others(this.#now), () => {
      this.#arrive(this.#shape.serviceMs(this.#random, this.#now), () => {});
      this.#startOther(others);
    });
  }

  #arrive(serviceMs: number, done: () => void): void {
    this.#queue.push({ serviceMs, done });
    this.#serve();
  }

  #serve(): void {
    while (this.#busy < this.#shape.servers(this.#now)) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#busy += 1;
      this.#in(this.#withPauses(next.serviceMs), () => {
        this.#busy -= 1;
        next.done();
        this.#serve();
      });
    }
  }

  /** There may be more servers than before. */
  #lookAgain(): void {
    this.#in(100, () => {
      this.#serve();
      this.#lookAgain();
    });
  }

  #withPauses(serviceMs: number): number {
    const { pause } = this.#shape;
    if (pause === undefined) return serviceMs;
    const { everyMs, lengthMs } = pause;
    // Each period begins with its pause.
    let [at, left] = [this.#now, serviceMs];
    for (;;) {
      const intoMs = at % everyMs;
      if (intoMs < lengthMs) at += lengthMs - intoMs;
      const untilPauseMs = everyMs - (at % everyMs);
      if (left <= untilPauseMs) return at + left - this.#now;
      left -= untilPauseMs;
      at += untilPauseMs;
    }
  }

  #in(ms: number, act: () => void): void {
    this.#events.add(this.#now + ms, act);
  }
}

interface Event {
  readonly at: number;
  readonly act: () => void;
}

/** What is to happen, the soonest first: a binary heap. */
class Schedule {
  readonly #events: Event[] = [];

  add(at: number, act: () => void): void {
    const events = this.#events;
    let place = events.length;
    for (; place > 0;) {
      const parent = (place - 1) >> 1;
      const above = events[parent] as Event;
      if (above.at <= at) break;
      events[place] = above;
      place = parent;
    }
    events[place] = { at, act };
  }

  next(): Event {
    const events = this.#events;
    const first = events[0] as Event;
    const last = events.pop() as Event;
    const { length } = events;
    let place = 0;
    for (let child = 1; child < length; child = 2 * place + 1) {
      if (child + 1 < length && (events[child + 1] as Event).at < (events[child] as Event).at) child += 1;
      if ((events[child] as Event).at >= last.at) break;
      events[place] = events[child] as Event;
      place = child;
    }
    if (length > 0) events[place] = last;
    return first;
  }
}

/** Around the mean, as a logarithmic normal. */
function jittered(meanMs: number, sigma = 0.3): TargetShape["serviceMs"] {
  return (random) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    return meanMs * Math.exp(sigma * normal - (sigma * sigma) / 2);
  };
}

const minuteMs = 60_000;
const share = (atMs: number): number => 0.3 + 0.2 * Math.sin(atMs / 15_000);
const falling = (atMs: number): number => Math.round(32 * (1 - Math.min(0.5, atMs / (6 * minuteMs))));
const rising = (atMs: number): number => Math.round(16 * (1 + Math.min(1, atMs / (3 * minuteMs))));

function knee(servers: number, meanMs: number, serviceMs = jittered(meanMs)): TargetShape {
  return { servers: () => servers, serviceMs, capacity: () => servers / meanMs };
}

function changing(servers: TargetShape["servers"]): TargetShape {
  return { servers, serviceMs: jittered(20), capacity: (atMs) => servers(atMs) / 20 };
}

/** The shapes of B; a change comes at one minute. */
export const targetShapes = {
  "knee of 1": knee(1, 20),
  "knee of 2": knee(2, 50),
  "knee of 4": knee(4, 20),
  knee: knee(8, 20),
  "knee of 32": knee(32, 50),
  "knee of 100": knee(100, 100),
  "cliff of 503": {
    ...knee(64, 40),
    capacity: () => 40 / (40 + roundTripMs),
    refusesBeyond: 40,
    retryAfterMs: 1_000,
  },
  "cliff of latency": { ...knee(64, 40), capacity: () => 40 / (40 + roundTripMs), breaksDownBeyond: 40 },
  pauses: { ...knee(16, 20), capacity: () => (16 / 20) * 0.95, pause: { everyMs: 4_000, lengthMs: 200 } },
  shared: {
    ...knee(32, 20),
    capacity: (atMs) => (32 / 20) * (1 - share(atMs)),
    others: (atMs) => (32 / 20) * share(atMs),
  },
  "drift down": changing(falling),
  "drift up": changing(rising),
  "twice the servers": changing((atMs) => (atMs < minuteMs ? 16 : 32)),
  "half the servers": changing((atMs) => (atMs < minuteMs ? 32 : 16)),
  "half as fast": {
    servers: () => 16,
    serviceMs: (random, atMs) => jittered(atMs < minuteMs ? 20 : 40)(random, atMs),
    capacity: (atMs) => (atMs < minuteMs ? 16 / 20 : 16 / 40),
  },
  bimodal: knee(16, 19, (random, atMs) => jittered(random.next() < 0.9 ? 10 : 100, 0.1)(random, atMs)),
  exponential: knee(32, 20, (random) => -20 * Math.log(1 - random.next())),
  "heavy tail": knee(32, 22.22, (random) => 10 / (1 - random.next()) ** (1 / 1.818)),
} as const satisfies Readonly<Record<string, TargetShape>>;

export interface Reached {
  /** Of B's capacity, within the time looked at. */
  readonly share: number;
  /** Of the latency, against B's with half as many in flight as it can work on. */
  readonly p99: number;
}

/** What is reached within half a minute that starts one minute after the start, or a change. */
export function reachedIn(name: keyof typeof targetShapes, seed: number): Reached {
  const shape: TargetShape = targetShapes[name];
  const fromMs = shape.capacity(0) === shape.capacity(2 * minuteMs) ? minuteMs : 2 * minuteMs;
  const forMs = fromMs + minuteMs / 2;
  const within = (ended: readonly Ended[]): readonly Ended[] =>
    ended.filter(({ atMs, isRefused }) => atMs > fromMs && !isRefused);
  const got = within(runAgainst(shape, { seed, forMs, limit: new AutoLimit({ max: 1_000 }) }));
  const light = Math.max(1, Math.floor(shape.servers(fromMs) / (shape.others === undefined ? 2 : 4)));
  const best = within(runAgainst(shape, { seed: seed + 1_000, forMs, limit: light }));
  let capacity = 0;
  for (let atMs = fromMs; atMs < forMs; atMs += 100) capacity += 100 * shape.capacity(atMs);
  return { share: got.length / capacity, p99: p99Of(got) / p99Of(best) };
}

function p99Of(ended: readonly Ended[]): number {
  const sorted = Float64Array.from(ended, ({ tookMs }) => tookMs).toSorted();
  return sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
}
