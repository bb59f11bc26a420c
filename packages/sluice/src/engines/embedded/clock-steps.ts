// A clock that steps back leaves due times behind that lie further ahead than anybody meant. Each is pulled in to the wait
// that was meant when it was set.
import type { DatabaseSync } from "node:sqlite";

const PULL_IN = `
  UPDATE scheduled SET due_at = :now + max(0, due_at - scheduled_at), scheduled_at = :now
  WHERE scheduled_at > :now AND due_at > :now`;

/** The writer's clock, which notices when it steps back. */
export class SteppingClock {
  readonly #read: () => number;
  /** The latest time that was read since the last look; before the first look it may have been any. */
  #latest = Number.POSITIVE_INFINITY;

  constructor(read: () => number) {
    this.#read = read;
  }

  now(): number {
    const at = this.#read();
    if (at > this.#latest) this.#latest = at;
    return at;
  }

  /** Whether it stepped back since the last look. */
  hasSteppedBack(): boolean {
    const at = this.#read();
    const isBack = at < this.#latest;
    this.#latest = at;
    return isBack;
  }
}

/** Gives back whether something is due earlier now. */
export function preparePullIn(db: DatabaseSync, clock: SteppingClock): () => boolean {
  const pullIn = db.prepare(PULL_IN);
  return () => clock.hasSteppedBack() && pullIn.run({ now: clock.now() }).changes > 0;
}
