// Deals the deliveries of one queue out to the worker processes that ask: to whoever holds the fewest first, so that a
// small burst is spread over the cores, and never more at a time than the queue's concurrency over all of them. What holds
// for requests that failed before holds over all of them as well.
import type { Claim, Delivery } from "../../core/request.ts";
import { RetryShare, type RetryBounds } from "../../core/retry-share.ts";
import type { Clock } from "../../core/clock.ts";
import type { DeliverOptions, Work } from "../../engine/engine.ts";

export interface DealerOptions {
  readonly engine: Pick<Work, "deliver">;
  readonly clock: Clock;
  /** For a delivery that nobody asks for any more. */
  readonly handBack: (claim: Claim) => void;
  readonly queue: string;
  readonly concurrency: number;
}

/** A worker process, as far as the dealer has to know it. */
export interface Holder {
  /** Deliveries of the queue that it was dealt and that have not ended. */
  heldOf(queue: string): number;
  /** `free` is to be called once: when it has come to its end, or its holder has. */
  hold(delivery: Delivery, free: () => void): void;
}

interface Ask {
  readonly holder: Holder;
  readonly max: number;
  readonly retries: RetryBounds | undefined;
  readonly dealt: Delivery[];
  readonly resolve: (deliveries: readonly Delivery[]) => void;
  readonly reject: (error: unknown) => void;
}

export class Dealer {
  readonly #options: DealerOptions;
  readonly #asks = new Set<Ask>();
  readonly #share: RetryShare;
  /** Dealt and not ended. */
  #held = 0;
  #claiming: AbortController | undefined;
  /** Whether what is being claimed may not be a request that failed before. */
  #isWithoutRetries = false;

  constructor(options: DealerOptions) {
    this.#options = options;
    this.#share = new RetryShare(options);
  }

  /** As the engine's deliver: empty only after the signal aborted, or once the engine is closed. */
  ask(holder: Holder, { max, retries, signal }: Omit<DeliverOptions, "queue">) {
    return new Promise<readonly Delivery[]>((resolve, reject) => {
      const ask: Ask = { holder, max, retries, dealt: [], resolve, reject };
      const abandon = (): void => this.#abandon(ask);
      this.#asks.add(ask);
      signal.addEventListener("abort", abandon, { once: true });
      if (this.#isWithoutRetries && this.#bounds().most > 0) this.#claiming?.abort(); // this one takes them
      this.#deal();
    });
  }

  /** One that was dealt has come to its end, or its holder has. */
  #freed(delivery: Delivery, heldMs: number): void {
    this.#held -= 1;
    if (delivery.isAgain) {
      this.#share.released(heldMs);
      if (this.#isWithoutRetries) this.#claiming?.abort(); // it may be one now
    }
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
    const retries = this.#bounds();
    this.#isWithoutRetries = retries.most === 0;
    void this.#claim({ max: room, retries, signal: this.#claiming.signal }).finally(() => {
      this.#claiming = undefined;
      this.#deal();
    });
  }

  /** What the queue as a whole may have, and no more than those that ask. */
  #bounds(): RetryBounds {
    let [first, most] = [0, 0];
    for (const { max, retries } of this.#asks) {
      first += retries?.first ?? max;
      most += retries?.most ?? max;
    }
    const share = this.#share.bounds();
    return { first: Math.min(first, share.first), most: Math.min(most, share.most) };
  }

  async #claim({ max, retries, signal }: Omit<DeliverOptions, "queue">): Promise<void> {
    const { engine, queue } = this.#options;
    try {
      const deliveries = await engine.deliver({ queue, max, retries, signal });
      if (deliveries.length === 0 && !signal.aborted) this.#answer([...this.#asks]); // the engine is closed
      for (const delivery of deliveries) this.#handOut(delivery);
      this.#answer([...this.#asks].filter(({ dealt }) => dealt.length > 0));
    } catch (error) {
      for (const ask of this.#asks) ask.reject(error);
      this.#asks.clear();
    }
  }

  #handOut(delivery: Delivery): void {
    const { queue, clock, handBack } = this.#options;
    let to: Ask | undefined;
    for (const ask of this.#asks) {
      if (ask.dealt.length >= ask.max) continue;
      if (to === undefined || ask.holder.heldOf(queue) < to.holder.heldOf(queue)) to = ask;
    }
    if (to === undefined) return handBack(delivery.claim); // whoever asked has gone meanwhile
    to.dealt.push(delivery);
    const dealtAt = clock.monotonic();
    to.holder.hold(delivery, () => this.#freed(delivery, clock.monotonic() - dealtAt));
    this.#held += 1;
    if (delivery.isAgain) this.#share.claimed();
    this.#share.started({ isRetry: delivery.isAgain });
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
