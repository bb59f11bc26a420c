// Looks at the day while it lasts: the backlog by the client's books and B's log, and each process's memory. It owns
// its timer and the curve.
import { countDayLog } from "./day-logs.ts";
import { treeMemoryMiB } from "./memory.ts";
import type { Victim } from "./victim.ts";

export interface Sample {
  readonly atMs: number;
  /** Requests with a receipt so far. */
  readonly accepted: number;
  /** Effects so far; a few more than requests, where one ran twice. */
  readonly effects: number;
}

export interface WatchOptions {
  readonly folder: string;
  readonly victims: readonly Victim[];
  readonly accepted: () => number;
}

const lookEveryMs = 200;
/** Memory costs more to read. */
const looksPerMemory = 5;

export class Watch implements Disposable {
  readonly samples: Sample[] = [];
  readonly peakMiB = new Map<string, number>();
  readonly #options: WatchOptions;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  #goals: { readonly progress: number; readonly reached: () => void }[] = [];
  #looks = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), lookEveryMs);
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Receipts and effects together. */
  get progress(): number {
    const last = this.samples.at(-1);
    return last === undefined ? 0 : last.accepted + last.effects;
  }

  /** When something last came about. */
  get movedAtMs(): number {
    const { progress } = this;
    return this.samples.find(({ accepted, effects }) => accepted + effects === progress)?.atMs ?? 0;
  }

  /** Resolves once there is so much progress. */
  reached(progress: number): Promise<void> {
    return new Promise((reached) => this.#goals.push({ progress, reached }));
  }

  /** Counts without waiting for the timer. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { folder, victims, accepted } = this.#options;
    this.samples.push({ atMs: this.elapsedMs, accepted: accepted(), effects: countDayLog(folder, "effects") });
    const { progress } = this;
    const reached = this.#goals.filter((goal) => goal.progress <= progress);
    this.#goals = this.#goals.filter((goal) => goal.progress > progress);
    for (const goal of reached) goal.reached();
    if (this.#looks++ % looksPerMemory !== 0) return;
    for (const { name, pid } of victims)
      if (pid !== undefined) this.peakMiB.set(name, Math.max(this.peakMiB.get(name) ?? 0, treeMemoryMiB(pid)));
  }
}
