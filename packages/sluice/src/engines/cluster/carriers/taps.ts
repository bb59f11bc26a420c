// The queues whose hints this process takes: each from its first deliver on, until the engine closes.
import type { Deliverer } from "../ledger/deliver.ts";
import type { Carrier, Consumption } from "./carrier.ts";

/** Messages that are held and not done, for each place that the first deliver asks for. */
const hintsPerPlace = 2;
const hintsMin = 16;
const hintsMax = 2_000;

export class Taps {
  readonly #carriers: readonly Carrier[];
  readonly #deliverer: Deliverer;
  readonly #open = new Map<string, readonly Consumption[]>();

  constructor(carriers: readonly Carrier[], deliverer: Deliverer) {
    this.#carriers = carriers;
    this.#deliverer = deliverer;
  }

  open(queue: string, max: number): void {
    if (this.#open.has(queue)) return;
    const buffer = this.#deliverer.bufferOf(queue);
    const prefetch = Math.min(hintsMax, Math.max(hintsMin, hintsPerPlace * max));
    const consumptions = this.#carriers.map((carrier) =>
      carrier.consume({
        queue,
        prefetch,
        onHints: (message) => {
          buffer.add(message);
          this.#deliverer.serve();
        },
        onLost: () => buffer.clear(carrier.name),
      }),
    );
    this.#open.set(queue, consumptions);
  }

  /** What is not done goes back to the carriers at once. */
  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].flat().map((consumption) => consumption.stop()));
  }
}
