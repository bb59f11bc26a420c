// How many requests the feeder hands out ahead of the workers: about those that they begin while it looks again, so that the next
// request of a quiet group, or an urgent one, waits behind no more than that.
import type { RequestId } from "../../../core/request-id.ts";

const secondMs = 1_000;
/** Before anything is known of how fast they begin. */
export const aheadMin = 4;
/** The work of so many rounds: while one is under way, the hints of the last one are on their way. */
const aheadRounds = 2;
const aheadMax = 1_000;
/** Some may lie with a worker that is busy for long, and others are to get theirs: but not without end. */
const unbegunMin = 64;

export class HandOutPace {
  /** Handed out, and not known to have begun; with the time at which that was. */
  readonly #unbegun = new Map<RequestId, number>();
  /** When some began, and how many. */
  readonly #begun: { readonly at: number; readonly count: number }[] = [];
  #begunCount = 0;

  /** How many more may be handed out, by somebody whose rounds are so long. */
  room(now: number, roundMs: number): number {
    this.#forget(now);
    let recent = 0;
    for (const at of this.#unbegun.values()) if (now - at < secondMs) recent += 1;
    const ahead =
      Math.min(aheadMax, Math.max(aheadMin, Math.ceil((aheadRounds * roundMs * this.#begunCount) / secondMs))) - recent;
    const all = Math.max(unbegunMin, 2 * this.#begunCount) - this.#unbegun.size;
    return Math.max(0, Math.min(ahead, all));
  }

  handed(id: RequestId, now: number): void {
    this.#unbegun.set(id, now);
  }

  unbegun(): readonly RequestId[] {
    return [...this.#unbegun.keys()];
  }

  began(ids: readonly RequestId[], now: number): void {
    let count = 0;
    for (const id of ids) if (this.#unbegun.delete(id)) count += 1;
    if (count === 0) return;
    this.#begun.push({ at: now, count });
    this.#begunCount += count;
  }

  #forget(now: number): void {
    while (this.#begun[0] !== undefined && now - this.#begun[0].at >= secondMs)
      this.#begunCount -= (this.#begun.shift() as { readonly count: number }).count;
  }
}
