// Those who watch are told by this process's own changes, by the notices of others, and, behind them, by a slow look at the
// ledger that finds the outcomes whose notice was lost.
import { isFinal, type State } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import type { Change } from "../../../engine/engine.ts";
import { Watchers } from "../../shared/watchers.ts";

export interface LedgerWatchersOptions {
  /** The states of those requests that are there. */
  readonly readStates: (ids: readonly RequestId[]) => Promise<ReadonlyMap<RequestId, State>>;
  readonly now: () => number;
  readonly lookEveryMs: number;
}

export class LedgerWatchers extends Watchers {
  readonly #options: LedgerWatchersOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LedgerWatchersOptions) {
    super();
    this.#options = options;
  }

  override add(id: RequestId, onChange: (change: Change) => void): Disposable {
    const watch = super.add(id, onChange);
    this.#timer ??= setTimeout(() => void this.#look(), this.#options.lookEveryMs);
    return {
      [Symbol.dispose]: () => {
        watch[Symbol.dispose]();
        if (this.isEmpty) this.close();
      },
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Only what is final is told from here: it cannot be old news. */
  async #look(): Promise<void> {
    const { readStates, now, lookEveryMs } = this.#options;
    try {
      for (const [id, state] of await readStates(this.ids()))
        if (isFinal(state)) this.tell(id, { kind: "state", state, at: now() });
    } catch {
      // The ledger is out, which is told elsewhere: the next look may find it back.
    } finally {
      if (this.#timer !== undefined) this.#timer = setTimeout(() => void this.#look(), lookEveryMs);
    }
  }
}
