// What was seen of each queue lately, for the curves. A ring of samples in memory: lost with the process.
import type { HistoryEvent, QueueView } from "./schemas.ts";

interface Rings {
  readonly at: number[];
  readonly backlog: number[];
  readonly accepted: number[];
  readonly finished: number[];
}

export interface HistoryOptions {
  readonly everyMs: number;
  /** Samples that are kept of each queue. */
  readonly max: number;
}

export class History {
  readonly #options: HistoryOptions;
  readonly #queues = new Map<string, Rings>();
  #sampledAt = Number.NEGATIVE_INFINITY;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  /** Notes the queues as they are at `now`, unless the last sample is younger than the interval. */
  note(queues: readonly QueueView[], now: number): void {
    if (now - this.#sampledAt < this.#options.everyMs) return;
    this.#sampledAt = now;
    for (const { name, backlog, rates } of queues) {
      // Nothing to draw of a queue that has been idle since somebody looked first.
      if (!this.#queues.has(name) && backlog === 0 && rates.accepted.m1 === 0 && rates.finished.m1 === 0) continue;
      const rings = this.#queues.get(name) ?? { at: [], backlog: [], accepted: [], finished: [] };
      this.#queues.set(name, rings);
      this.#push(rings.at, Math.round(now));
      this.#push(rings.backlog, backlog);
      this.#push(rings.accepted, rates.accepted.m1);
      this.#push(rings.finished, rates.finished.m1);
    }
  }

  view(): HistoryEvent {
    return { queues: [...this.#queues].map(([queue, rings]) => ({ queue, ...rings })) };
  }

  #push(ring: number[], value: number): void {
    ring.push(value);
    if (ring.length > this.#options.max) ring.shift();
  }
}
