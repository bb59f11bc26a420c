// Who watches which request, told by this process's own changes, by the notices of others, and, behind them, by a slow
// look at the ledger that finds the outcomes whose notice was lost.
import { isFinal, type State } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import type { Change } from "../../../engine/engine.ts";

export interface WatchersOptions {
  /** The states of those requests that are there. */
  readonly readStates: (ids: readonly RequestId[]) => Promise<ReadonlyMap<RequestId, State>>;
  readonly now: () => number;
  readonly lookEveryMs: number;
}

export class Watchers {
  readonly #options: WatchersOptions;
  readonly #watching = new Map<RequestId, Set<(change: Change) => void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#watching.size === 0;
  }

  add(id: RequestId, onChange: (change: Change) => void): Disposable {
    const watching = this.#watching.get(id) ?? new Set();
    this.#watching.set(id, watching.add(onChange));
    this.#timer ??= setTimeout(() => void this.#look(), this.#options.lookEveryMs);
    return {
      [Symbol.dispose]: () => {
        watching.delete(onChange);
        if (watching.size === 0 && this.#watching.get(id) === watching) this.#watching.delete(id);
        if (this.isEmpty) this.close();
      },
    };
  }

  tell(id: RequestId, change: Change): void {
    for (const onChange of this.#watching.get(id) ?? []) onChange(change);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Only what is final is told from here: it cannot be old news. */
  async #look(): Promise<void> {
    const { readStates, now, lookEveryMs } = this.#options;
    try {
      for (const [id, state] of await readStates([...this.#watching.keys()]))
        if (isFinal(state)) this.tell(id, { kind: "state", state, at: now() });
    } catch {
      // The ledger is out, which is told elsewhere: the next look may find it back.
    } finally {
      if (this.#timer !== undefined) this.#timer = setTimeout(() => void this.#look(), lookEveryMs);
    }
  }
}
