// Simulated time: a line of events, each at its moment, run one after the other. It stands still while an event and all
// that follows from it at once runs, and then jumps to the next one.
import { AsyncLocalStorage } from "node:async_hooks";

/** Whose timers and messages they are: what a process that is gone has left behind never runs. */
export interface Owner {
  readonly isGone: boolean;
  /** Stopped as by SIGSTOP: what is due waits in `held` until it goes on. */
  readonly isFrozen: boolean;
  readonly held: (() => void)[];
  /** When it began, by simulated time: its monotonic clock counts from there. */
  readonly startedAt: number;
  /** How far its wall clock is off. */
  readonly skewMs: number;
}

export interface Event {
  readonly at: number;
  readonly no: number;
  readonly owner: Owner | undefined;
  readonly run: () => void;
  isCancelled: boolean;
}

/** The process whose code runs now. */
export const running = new AsyncLocalStorage<Owner | undefined>();

/** 2026-06-01, where every history begins. */
export const epochMs = 1_780_272_000_000;

const drainNow = globalThis.setImmediate;

export class Time {
  readonly #heap: Event[] = [];
  readonly #onThrown: (error: unknown) => void;
  #no = 0;
  #now = 0;
  #steps = 0;

  constructor(onThrown: (error: unknown) => void) {
    this.#onThrown = onThrown;
  }

  /** Milliseconds since the beginning of the history. */
  get now(): number {
    return this.#now;
  }

  get steps(): number {
    return this.#steps;
  }

  after(ms: number, run: () => void, owner?: Owner): Event {
    return this.at(this.#now + Math.max(0, ms), run, owner);
  }

  /** Of two at the same moment the one that was asked for first comes first. */
  at(at: number, run: () => void, owner?: Owner): Event {
    const event = { at, no: this.#no, owner, run, isCancelled: false };
    this.#no += 1;
    this.#push(event);
    return event;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Runs what is due until the condition holds or nothing is left. */
  runUntil(isOver: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const step = (): void => {
        if (isOver() || !this.#runNext()) resolve();
        else drainNow(step); // all promises that the event has moved are through by then
      };
      drainNow(step);
    });
  }

  #runNext(): boolean {
    for (let event = this.#pop(); event !== undefined; event = this.#pop()) {
      const { owner, run } = event;
      if (event.isCancelled || owner?.isGone === true) continue;
      this.#now = event.at;
      if (owner?.isFrozen === true) {
        const held = event;
        owner.held.push(() => {
          if (!held.isCancelled) run();
        });
        continue;
      }
      this.#steps += 1;
      try {
        running.run(owner, run);
      } catch (error) {
        this.#onThrown(error);
      }
      return true;
    }
    return false;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || first === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(left: Event, right: Event): boolean {
  return left.at < right.at || (left.at === right.at && left.no < right.no);
}
