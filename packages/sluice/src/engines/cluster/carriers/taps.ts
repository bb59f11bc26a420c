// The queues whose hints this process takes: each from its first deliver on, until the engine closes.
import type { Broker } from "./broker.ts";
import type { Consumption } from "./consumer.ts";
import type { Deliverer } from "../ledger/deliver.ts";

/** Hints that are held unacknowledged, for each place that the first deliver asks for. */
const hintsPerPlace = 2;
const hintsMin = 16;
const hintsMax = 2_000;

export class Taps {
  readonly #broker: Broker;
  readonly #deliverer: Deliverer;
  readonly #open = new Map<string, Consumption>();

  constructor(broker: Broker, deliverer: Deliverer) {
    this.#broker = broker;
    this.#deliverer = deliverer;
  }

  open(queue: string, max: number): void {
    if (this.#open.has(queue)) return;
    const buffer = this.#deliverer.bufferOf(queue);
    const prefetch = Math.min(hintsMax, Math.max(hintsMin, hintsPerPlace * max));
    const consumption = this.#broker.consume({
      queue,
      prefetch,
      onHints: (hints) => {
        buffer.add(hints, prefetch);
        this.#deliverer.serve();
      },
      onLost: () => buffer.clear(),
    });
    this.#open.set(queue, consumption);
  }

  /** What is not done goes back to the broker at once. */
  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((consumption) => consumption.stop()));
  }
}
