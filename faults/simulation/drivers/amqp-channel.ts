// A channel of the simulated AMQP client, and what it asks of the broker.
import { EventEmitter } from "node:events";
import { BrokerChannel, type Message } from "../broker.ts";
import { theWorld } from "../current.ts";
import type { Wire } from "../wire.ts";

interface PublishOptions {
  readonly type: string;
  readonly messageId: string;
}

interface Delivered {
  readonly content: Buffer;
  readonly fields: { readonly deliveryTag: number; readonly redelivered: boolean };
  readonly properties: { readonly type: string };
}

type Confirm = (error: Error | null) => void;

export class Channel extends EventEmitter {
  readonly #wire: Wire;
  readonly #server: BrokerChannel;
  readonly #onEnd: (channel: Channel) => void;
  readonly #unconfirmed = new Set<Confirm>();
  readonly #asked = new Set<(error: Error) => void>();
  #prefetch = 0;
  #isClosed = false;
  #isClosing = false;

  constructor(wire: Wire, onEnd: (channel: Channel) => void) {
    super();
    this.#wire = wire;
    this.#server = new BrokerChannel(wire);
    this.#onEnd = onEnd;
  }

  open(): Promise<unknown> {
    return this.#ask(() => void theWorld().broker.channels.add(this.#server));
  }

  prefetch(count: number): Promise<unknown> {
    this.#prefetch = count;
    return this.#ask(() => undefined);
  }

  consume(queue: string, onMessage: (message: Delivered | null) => void): Promise<unknown> {
    const deliver = (message: Message | undefined, deliveryTag: number): void => {
      if (this.#isClosed) return;
      if (message === undefined) return onMessage(null);
      const { content, type, isRedelivered: redelivered } = message;
      onMessage({ content, fields: { deliveryTag, redelivered }, properties: { type } });
    };
    const consumer = { channel: this.#server, tag: queue, prefetch: this.#prefetch, unacknowledged: 0, deliver };
    return this.#ask(() => this.#found(theWorld().broker.consume(queue, consumer), queue));
  }

  ack({ fields: { deliveryTag } }: Delivered, isRun: boolean): void {
    this.#assertOpen();
    theWorld().faults.onAcknowledge(this.#wire, () => {
      if (!this.#server.isOver) theWorld().broker.acknowledge(this.#server, deliveryTag, isRun);
    });
  }

  publish(_exchange: string, queue: string, content: Buffer, options: PublishOptions, confirm: Confirm): boolean {
    this.#assertOpen();
    this.#unconfirmed.add(confirm);
    const { type, messageId } = options;
    const message: Message = { queue, content, type, messageId, isRedelivered: false, isConfirmed: false };
    theWorld().faults.onPublish(
      this.#wire,
      () => {
        const world = theWorld();
        if (this.#server.isOver) return;
        const ids = content.toString("latin1").split("\n");
        world.note(
          this.#wire.process,
          () => `publishes ${type} to ${queue}: ${ids.map((id) => id.slice(0, 18)).join(" ")}`,
        );
        world.checks.published(message);
        if (!world.broker.enqueue(message)) this.#wire.answer(() => this.emit("return", { properties: { messageId } }));
      },
      () => {
        message.isConfirmed = true;
        this.#wire.answer(() => {
          if (this.#unconfirmed.delete(confirm)) confirm(null);
        });
      },
    );
    return true;
  }

  checkQueue(queue: string): Promise<unknown> {
    return this.#ask(() => {
      const { broker } = theWorld();
      const { ready, consumers } = broker.depthOf(queue);
      return this.#found(broker.has(queue), queue) ?? { queue, messageCount: ready, consumerCount: consumers };
    });
  }

  assertQueue(queue: string): Promise<unknown> {
    return this.#ask(() => theWorld().broker.declare(queue));
  }

  /** From here on nothing more may be said on it. */
  async close(): Promise<void> {
    this.#assertOpen();
    const closed = this.#ask(() => theWorld().broker.close(this.#server));
    this.#isClosing = true;
    await closed;
    this.end(undefined);
  }

  /** At the process: by an error, or in order. */
  end(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const reason = error ?? new Error("Channel closed");
    for (const reject of this.#asked) reject(reason);
    for (const confirm of this.#unconfirmed) confirm(reason);
    this.#unconfirmed.clear();
    this.#onEnd(this);
    this.emit("close");
  }

  /** A refusal closes the channel. */
  #found(isThere: boolean, queue: string): Error | undefined {
    if (isThere) return undefined;
    return Object.assign(new Error(`NOT_FOUND - no queue '${queue}'`), { code: 404 });
  }

  #ask(act: () => unknown): Promise<unknown> {
    if (this.#isClosed || this.#isClosing) return Promise.reject(new Error("Channel closing"));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#asked.add(reject);
    this.#wire.send(() => {
      const answer = act();
      if (answer instanceof Error) theWorld().broker.close(this.#server);
      this.#wire.answer(() => {
        this.#asked.delete(reject);
        if (!(answer instanceof Error)) return resolve(answer);
        reject(answer);
        this.emit("error", answer);
        this.end(answer);
      });
    });
    return promise;
  }

  #assertOpen(): void {
    if (this.#isClosed || this.#isClosing) throw new Error("Channel closing");
  }
}
