// RabbitMQ as a carrier: a row of the outbox becomes messages of a few hints each.
import type { QueueNumbers } from "../../ledger/queue-numbers.ts";
import type { Carrier, ConsumeOptions, Consumption, OutboxRow } from "../carrier.ts";
import type { Broker } from "./broker.ts";

export interface RabbitmqCarrierOptions {
  readonly broker: Broker;
  readonly queues: QueueNumbers;
  /** How many requests of a queue one message may hold. */
  readonly hintIdsMax: (queue: string) => number;
}

/** Messages of one row that may be under way at a time: the rest of it waits until RabbitMQ has confirmed these. */
const windowMax = 500;

export class RabbitmqCarrier implements Carrier {
  readonly name = "rabbitmq";
  readonly #options: RabbitmqCarrierOptions;

  constructor(options: RabbitmqCarrierOptions) {
    this.#options = options;
  }

  /**
   * What comes after the first message that RabbitMQ does not take is not published, but for what was under way. A suspect runs
   * alone, so its message holds nothing else.
   */
  async carry({ queue, kind, ids }: OutboxRow): Promise<boolean> {
    const { broker, queues, hintIdsMax } = this.#options;
    const name = queues.nameOf(queue);
    if (name === undefined) return false; // made by a newer process
    const size = kind === "suspect" ? 1 : hintIdsMax(name);
    for (let from = 0; from < ids.length; from += windowMax * size) {
      const window: Promise<boolean>[] = [];
      for (let at = from; at < ids.length && window.length < windowMax; at += size)
        window.push(broker.publisher.publish({ queue: name, kind, ids: ids.slice(at, at + size) }));
      if ((await Promise.all(window)).includes(false)) return false;
    }
    return true;
  }

  consume(options: ConsumeOptions): Consumption {
    return this.#options.broker.consume(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#options.broker[Symbol.asyncDispose]();
  }
}
