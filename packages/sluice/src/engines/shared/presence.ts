// Which workers are present in this process, queue by queue, and since when none of a queue's can deliver.
import { noDeliveries, type Deliveries, type Presence } from "../../engine/engine.ts";

/** What the workers of one queue show. */
export interface Attendance {
  readonly workers: number;
  /** Of these, those whose breaker keeps them from claiming. */
  readonly breakersOpen: number;
  /** Since when none of them delivers: there is none, or the breakers of all are open. Undefined while one does. */
  readonly stoppedAt: number | undefined;
  readonly deliveries: Deliveries;
}

export function sumOfDeliveries(all: Iterable<Deliveries>): Deliveries {
  const sum: { -readonly [Field in keyof Deliveries]: Deliveries[Field] } = { ...noDeliveries };
  for (const { claimed, running, committing, limit } of all) {
    sum.claimed += claimed;
    sum.running += running;
    sum.committing += committing;
    if (limit !== undefined) sum.limit = (sum.limit ?? 0) + limit;
  }
  return sum;
}

interface Roll {
  workers: number;
  breakersOpen: number;
  stoppedAt: number | undefined;
  /** What each of its workers holds. */
  readonly holdings: Set<() => Deliveries>;
}

export class Roster {
  readonly #now: () => number;
  readonly #rolls = new Map<string, Roll>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A worker that is present from now on, its breaker closed. Leaving twice is safe. */
  attend(queue: string, holding = () => noDeliveries): Presence {
    const roll = this.#rolls.get(queue) ?? newRoll();
    this.#rolls.set(queue, roll);
    const own = (): Deliveries => holding(); // each worker's differs, whatever it was given
    roll.holdings.add(own);
    let isPresent = true;
    let isOpen = false;
    const breakerOpen = (next: boolean): void => {
      if (!isPresent || next === isOpen) return;
      isOpen = next;
      this.#change(roll, 0, next ? 1 : -1);
    };
    this.#change(roll, 1, 0);
    return {
      breakerOpen,
      [Symbol.dispose]: () => {
        if (isPresent) this.#change(roll, -1, isOpen ? -1 : 0);
        isPresent = false;
        roll.holdings.delete(own);
      },
    };
  }

  /** Undefined for a queue that no worker of this process has ever attended. */
  of(queue: string): Attendance | undefined {
    const roll = this.#rolls.get(queue);
    return roll && shown(roll);
  }

  all(): readonly (readonly [queue: string, attendance: Attendance])[] {
    return [...this.#rolls].map(([queue, roll]) => [queue, shown(roll)]);
  }

  /** In one step, so that a worker which leaves with an open breaker does not look as if it delivered in between. */
  #change(roll: Roll, workers: number, breakersOpen: number): void {
    const hadWorkers = roll.workers > 0;
    roll.workers += workers;
    roll.breakersOpen += breakersOpen;
    const isStopped = roll.breakersOpen === roll.workers;
    // Without workers is another reason than with open breakers: it holds since the last one left.
    if (!isStopped) roll.stoppedAt = undefined;
    else if (roll.stoppedAt === undefined || hadWorkers !== roll.workers > 0) roll.stoppedAt = this.#now();
  }
}

function newRoll(): Roll {
  return { workers: 0, breakersOpen: 0, stoppedAt: undefined, holdings: new Set() };
}

function shown({ workers, breakersOpen, stoppedAt, holdings }: Roll): Attendance {
  const deliveries = sumOfDeliveries([...holdings].map((holding) => holding()));
  return { workers, breakersOpen, stoppedAt, deliveries };
}
