// What a clock that steps does to a store. One that steps back leaves due times behind that lie further ahead than anybody
// meant: each is pulled in to the wait that was meant when it was set. One that jumps ahead makes all requests old: nothing
// is deleted until it has gone on evenly for an hour, since somebody may set it right again.
import type { DatabaseSync } from "node:sqlite";
import { firstSeqAt } from "../../core/request-id.ts";

const PULL_IN = `
  UPDATE scheduled SET due_at = :now + max(0, due_at - scheduled_at), scheduled_at = :now
  WHERE scheduled_at > :now AND due_at > :now AND kind <> 1`;

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

const jumpMsMin = 60_000;
const steadyMsMin = 3_600_000;

const SELECT_JUMPED = "SELECT value FROM meta WHERE name = 'jumped_at'";
const NOTE_JUMPED =
  "INSERT INTO meta (name, value) VALUES ('jumped_at', ?) ON CONFLICT DO UPDATE SET value = excluded.value";

/** The machine's clock beside the one that nobody sets. The store keeps when it jumped, for the next start. */
export class ForwardJumps {
  readonly #db: DatabaseSync;
  #apartMs = apartMs();
  /** By the clock that nobody sets. */
  #lastAt = Number.NEGATIVE_INFINITY;
  #isNoted = true;

  /** A store that is much older than the clock says may have been idle, or the clock is wrong from the start. */
  constructor(db: DatabaseSync, { lastSeq }: { readonly lastSeq: number }) {
    this.#db = db;
    const jumpedAt = db.prepare(SELECT_JUMPED).get()?.["value"] as number | undefined;
    const agoMs = jumpedAt === undefined ? -1 : Date.now() - jumpedAt;
    if (lastSeq >= 0 && lastSeq < firstSeqAt(Date.now() - steadyMsMin)) this.#jumped();
    else if (agoMs >= 0) this.#lastAt = performance.now() - agoMs; // and not when it was set right since
  }

  /** Whether there was none for an hour, as far as this store has seen: to be asked every second or so, in a transaction. */
  isSteady(): boolean {
    const apart = apartMs();
    if (apart - this.#apartMs > jumpMsMin) this.#jumped();
    this.#apartMs = apart;
    if (!this.#isNoted) this.#db.prepare(NOTE_JUMPED).run(Date.now());
    this.#isNoted = true;
    return performance.now() - this.#lastAt > steadyMsMin;
  }

  #jumped(): void {
    this.#lastAt = performance.now();
    this.#isNoted = false;
  }
}

function apartMs(): number {
  return Date.now() - performance.now();
}

/** Gives back whether something is due earlier now. */
export function preparePullIn(db: DatabaseSync, clock: SteppingClock): () => boolean {
  const pullIn = db.prepare(PULL_IN);
  return () => clock.hasSteppedBack() && pullIn.run({ now: clock.now() }).changes > 0;
}
