// Deals the deliveries of one queue out to the worker processes that ask: to whoever holds the fewest first, so that a
// small burst is spread over the cores, and never more at a time than the queue's concurrency over all of them.
import type { Claim, Delivery } from "../../core/request.ts";
import type { Engine } from "../../engine/engine.ts";

export interface DealerOptions {
  readonly engine: Pick<Engine, "deliver">;
  /** For a delivery that nobody asks for any more. */
  readonly handBack: (claim: Claim) => void;
  readonly queue: string;
  readonly concurrency: number;
}

/** A worker process, as far as the dealer has to know it. */
export interface Holder {
  /** Deliveries of the queue that it was dealt and that have not ended. */
  heldOf(queue: string): number;
  hold(delivery: Delivery): void;
}

interface Ask {
  readonly holder: Holder;
  readonly max: number;
  readonly dealt: Delivery[];
  readonly resolve: (deliveries: readonly Delivery[]) => void;
  readonly reject: (error: unknown) => void;
}

export class Dealer {
  readonly #options: DealerOptions;
  readonly #asks = new Set<Ask>();
  /** Dealt and not ended. */
  #held = 0;
  #claiming: AbortController | undefined;

  constructor(options: DealerOptions) {
    this.#options = options;
  }

  /** As the engine's deliver: empty only after the signal aborted, or once the engine is closed. */
  ask(holder: Holder, { max, signal }: { readonly max: number; readonly signal: AbortSignal }) {
    return new Promise<readonly Delivery[]>((resolve, reject) => {
      const ask: Ask = { holder, max, dealt: [], resolve, reject };
      const abandon = (): void => this.#abandon(ask);
      this.#asks.add(ask);
      signal.addEventListener("abort", abandon, { once: true });
      this.#deal();
    });
  }

  /** One that was dealt has come to its end, or its holder has. */
  freed(): void {
    this.#held -= 1;
    this.#deal();
  }

  #abandon(ask: Ask): void {
    if (!this.#asks.delete(ask)) return;
    ask.resolve([]);
    if (this.#asks.size === 0) this.#claiming?.abort();
  }

  #deal(): void {
    const room = Math.min(this.#options.concurrency - this.#held, sumOfMax(this.#asks));
    if (this.#claiming !== undefined || room <= 0) return;
    this.#claiming = new AbortController();
    void this.#claim(room, this.#claiming.signal).finally(() => {
      this.#claiming = undefined;
      this.#deal();
    });
  }

  async #claim(max: number, signal: AbortSignal): Promise<void> {
    const { engine, queue } = this.#options;
    try {
      const deliveries = await engine.deliver({ queue, max, signal });
      if (deliveries.length === 0 && !signal.aborted) this.#answer([...this.#asks]); // the engine is closed
      for (const delivery of deliveries) this.#handOut(delivery);
      this.#answer([...this.#asks].filter(({ dealt }) => dealt.length > 0));
    } catch (error) {
      for (const ask of this.#asks) ask.reject(error);
      this.#asks.clear();
    }
  }

  #handOut(delivery: Delivery): void {
    const { queue, handBack } = this.#options;
    let to: Ask | undefined;
    for (const ask of this.#asks) {
      if (ask.dealt.length >= ask.max) continue;
      if (to === undefined || ask.holder.heldOf(queue) < to.holder.heldOf(queue)) to = ask;
    }
    if (to === undefined) return handBack(delivery.claim); // whoever asked has gone meanwhile
    to.dealt.push(delivery);
    to.holder.hold(delivery);
    this.#held += 1;
  }

  #answer(asks: readonly Ask[]): void {
    for (const ask of asks) {
      this.#asks.delete(ask);
      ask.resolve(ask.dealt);
    }
  }
}

function sumOfMax(asks: Iterable<Ask>): number {
  let sum = 0;
  for (const { max } of asks) sum += max;
  return sum;
}
