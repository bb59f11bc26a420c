// The store's clock, as a process knows it (I8): read from the server now and then, carried on by the monotonic clock.
// A process whose own clock is wrong by an hour tells the same time as all others.
import { invariant } from "../../../../core/errors.ts";
import { systemClock, type Clock } from "../../../../core/clock.ts";
import type { Connected, Statement } from "./database.ts";

const READ_CLOCK: Statement = {
  name: "read-clock",
  text: "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now",
};

export class StoreClock implements Clock {
  readonly #clock: Clock;
  /** The server's time when this process's monotonic clock was at zero. */
  #zeroAt = hostZero();
  /** As above, by this host's wall clock. */
  #hostZeroAt = hostZero();
  #roundTripMs = Number.POSITIVE_INFINITY;
  #readAt = 0;
  #steppedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  now(): number {
    return Math.floor(this.#zeroAt + performance.now() + this.#aheadMs());
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  /** For how long the server's clock has gone on without a step, as far as this process has seen. */
  get steadyMs(): number {
    return performance.now() - this.#steppedAt;
  }

  /**
   * The reading lies between the sending and the answer: half of the way is the best guess, and a short way a good one.
   * One that no reading before allows for means that the clock has stepped: it is taken at once. Gives back by how much.
   */
  async read(connection: Connected): Promise<number> {
    const first = await readOnce(connection);
    if (!this.#isDoubtful(first)) return this.#take(first);
    // A busy server or connection answers slowly now, and quickly the next time.
    const second = await readOnce(connection);
    return this.#take(second.roundTripMs < first.roundTripMs ? second : first);
  }

  #take({ sentAt, roundTripMs, zeroAt, hostZeroAt }: Reading): number {
    const apartMs = zeroAt - this.#zeroAt;
    const hasStepped = Math.abs(apartMs) > this.#allowedMs(roundTripMs);
    const isOld = sentAt - this.#readAt > keptMs;
    // This host was suspended, maybe, and its monotonic clock stood still: what it carried on is worth nothing.
    const mayHaveSlept = Math.abs(hostZeroAt - this.#hostZeroAt) > driftMsMax;
    if (roundTripMs > this.#roundTripMs && !isOld && !hasStepped && !mayHaveSlept) return 0;
    this.#zeroAt = zeroAt;
    this.#hostZeroAt = hostZeroAt;
    this.#roundTripMs = roundTripMs;
    this.#readAt = sentAt;
    if (!hasStepped) return 0;
    this.#steppedAt = sentAt;
    return apartMs;
  }

  /** It took so long that it allows for the time as it was known, and for another one as well. */
  #isDoubtful({ roundTripMs, zeroAt }: Reading): boolean {
    const apartMs = Math.abs(zeroAt - this.#zeroAt);
    return roundTripMs > this.#roundTripMs && apartMs > driftMsMax && apartMs <= this.#allowedMs(roundTripMs);
  }

  #allowedMs(roundTripMs: number): number {
    return (roundTripMs + this.#roundTripMs) / 2 + driftMsMax;
  }

  /** A test's clock may be moved; the server's cannot. */
  #aheadMs(): number {
    return this.#clock === systemClock ? 0 : this.#clock.now() - systemClock.now();
  }
}

/** Clocks drift: a good reading is kept for so long. */
const keptMs = 60_000;
/** No clock that is steered drifts as far in that time. */
const driftMsMax = 100;

interface Reading {
  readonly sentAt: number;
  readonly roundTripMs: number;
  readonly zeroAt: number;
  readonly hostZeroAt: number;
}

async function readOnce(connection: Connected): Promise<Reading> {
  const sentAt = performance.now();
  const [row] = await connection.rows<{ now: number }>(READ_CLOCK);
  invariant(row !== undefined, "the server tells its time");
  const roundTripMs = performance.now() - sentAt;
  return { sentAt, roundTripMs, zeroAt: row.now - (sentAt + roundTripMs / 2), hostZeroAt: hostZero() };
}

function hostZero(): number {
  return Date.now() - performance.now();
}
