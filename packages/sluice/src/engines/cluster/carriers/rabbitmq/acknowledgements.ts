// Acknowledges what one channel delivered: once in a turn of the event loop, and as few times as it can be said.
import type { Channel, ConsumeMessage } from "amqplib";

export class Acknowledgements {
  readonly #channel: Channel;
  /** Delivered and not acknowledged, by delivery tag, the oldest first. */
  readonly #outstanding = new Map<number, ConsumeMessage>();
  /** Those of them that are done, yet to be acknowledged. */
  readonly #done = new Set<number>();
  #isClosed = false;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Returns what is to be called when the message is done with. */
  expect(message: ConsumeMessage): () => void {
    const { deliveryTag } = message.fields;
    this.#outstanding.set(deliveryTag, message);
    return () => {
      if (this.#isClosed || !this.#outstanding.has(deliveryTag)) return;
      if (this.#done.size === 0) setImmediate(() => this.#flush());
      this.#done.add(deliveryTag);
    };
  }

  /** Says what is left to say; the channel is about to be closed, or is. */
  close(): void {
    this.#flush();
    this.#isClosed = true;
  }

  #flush(): void {
    if (this.#isClosed || this.#done.size === 0) return;
    try {
      this.#flushRun();
      for (const tag of this.#done) this.#acknowledge(tag, false);
    } catch {
      this.#isClosed = true; // the channel is: all of it comes again
    }
    this.#done.clear();
  }

  /**
   * The oldest, as far as they are all done, in one go. RabbitMQ takes the tag that ends such a run for a mistake when
   * it was acknowledged before: it never is, as it leaves what is outstanding then.
   */
  #flushRun(): void {
    let last: number | undefined;
    let length = 0;
    for (const tag of this.#outstanding.keys()) {
      if (!this.#done.has(tag)) break;
      last = tag;
      length += 1;
    }
    if (last === undefined) return;
    this.#acknowledge(last, length > 1);
    for (const tag of this.#outstanding.keys()) {
      if (tag > last) break;
      this.#outstanding.delete(tag);
      this.#done.delete(tag);
    }
  }

  #acknowledge(tag: number, isRun: boolean): void {
    const message = this.#outstanding.get(tag);
    if (message === undefined) return;
    this.#channel.ack(message, isRun);
    this.#outstanding.delete(tag);
    this.#done.delete(tag);
  }
}
