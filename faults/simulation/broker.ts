// The simulated broker: quorum queues of persistent messages. What it has confirmed it keeps, over its own restarts too;
// what was handed out and not acknowledged it hands out again.
import type { Wire } from "./wire.ts";
import type { World } from "./world.ts";

export interface Message {
  readonly queue: string;
  readonly content: Buffer;
  readonly type: string;
  readonly messageId: string;
  isRedelivered: boolean;
  isConfirmed: boolean;
}

export interface Consumer {
  readonly channel: BrokerChannel;
  readonly tag: string;
  readonly prefetch: number;
  unacknowledged: number;
  /** At the process; undefined when the broker has cancelled it. */
  readonly deliver: (message: Message | undefined, deliveryTag: number) => void;
}

interface Line {
  ready: Message[];
  readonly consumers: Consumer[];
  turn: number;
}

interface Out {
  readonly message: Message;
  readonly consumer: Consumer;
}

/** A channel as the broker sees it. */
export class BrokerChannel {
  readonly wire: Wire;
  readonly out = new Map<number, Out>();
  deliveryTag = 0;
  isOver = false;

  constructor(wire: Wire) {
    this.wire = wire;
  }
}

export class BrokerServer {
  isUp = true;
  readonly #world: World;
  readonly #lines = new Map<string, Line>();
  readonly channels = new Set<BrokerChannel>();
  /** Acknowledged a moment ago: a crash may have forgotten it. */
  #acknowledged: { readonly message: Message; readonly at: number }[] = [];
  /** How often messages that it had confirmed were lost: by a wipe, or with a queue. */
  losses = 0;

  constructor(world: World, queues: readonly string[]) {
    this.#world = world;
    for (const name of queues) this.declare(name);
  }

  names(): readonly string[] {
    return [...this.#lines.keys()];
  }

  declare(name: string): void {
    if (!this.#lines.has(name)) this.#lines.set(name, { ready: [], consumers: [], turn: 0 });
  }

  has(name: string): boolean {
    return this.#lines.has(name);
  }

  depthOf(name: string): { readonly ready: number; readonly consumers: number } {
    const line = this.#lines.get(name);
    return { ready: line?.ready.length ?? 0, consumers: line?.consumers.length ?? 0 };
  }

  /** What somebody is to take yet: a line without consumers may keep what it has. */
  held(): readonly Message[] {
    const out = [...this.channels].flatMap((channel) => [...channel.out.values()].map(({ message }) => message));
    return [...this.#lines.values()].flatMap(({ ready, consumers }) => (consumers.length > 0 ? ready : [])).concat(out);
  }

  /** Gives back whether there is such a queue. */
  enqueue(message: Message): boolean {
    const line = this.#lines.get(message.queue);
    if (line === undefined) return false;
    line.ready.push(message);
    this.#pump(message.queue);
    return true;
  }

  consume(queue: string, consumer: Consumer): boolean {
    const line = this.#lines.get(queue);
    if (line === undefined) return false;
    line.consumers.push(consumer);
    this.#pump(queue);
    return true;
  }

  acknowledge(channel: BrokerChannel, tag: number, isRun: boolean): void {
    const tags = isRun ? [...channel.out.keys()].filter((one) => one <= tag) : [tag];
    for (const one of tags) {
      const out = channel.out.get(one);
      if (out === undefined) continue;
      channel.out.delete(one);
      out.consumer.unacknowledged -= 1;
      this.#acknowledged.push({ message: out.message, at: this.#world.time.now });
      this.#world.checks.acknowledged(out.message, channel.wire.process);
      this.#pump(out.message.queue);
    }
  }

  /** The connection is gone. */
  closeAll(wire: Wire): void {
    for (const channel of this.channels) if (channel.wire === wire) this.close(channel);
  }

  /** What is out on it waits again. */
  close(channel: BrokerChannel): void {
    if (channel.isOver) return;
    channel.isOver = true;
    this.channels.delete(channel);
    for (const line of this.#lines.values()) {
      const left = line.consumers.filter((consumer) => consumer.channel !== channel);
      line.consumers.splice(0, line.consumers.length, ...left);
    }
    const back = [...channel.out.values()].map(({ message }) => message);
    channel.out.clear();
    this.#requeue(back);
  }

  remove(queue: string): void {
    const line = this.#lines.get(queue);
    if (line === undefined) return;
    this.#lines.delete(queue);
    this.losses += 1;
    for (const channel of this.channels)
      for (const [tag, { message }] of channel.out) if (message.queue === queue) channel.out.delete(tag);
    for (const consumer of line.consumers) consumer.channel.wire.answer(() => consumer.deliver(undefined, 0));
  }

  /** Down, and up again: with all that it had confirmed, or empty. */
  restart(isWipe: boolean, downMs: number): void {
    this.isUp = false;
    for (const wire of this.#world.network.wiresTo("broker")) wire.closeByServer("CONNECTION_FORCED");
    for (const channel of this.channels) this.close(channel);
    if (isWipe) {
      this.#lines.clear();
      this.losses += 1;
    } else this.#forgetTheLatest();
    this.#acknowledged = [];
    this.#world.time.after(downMs, () => (this.isUp = true));
  }

  /** What was not confirmed may be gone, and what was acknowledged a moment ago may be back. */
  #forgetTheLatest(): void {
    const { random, time } = this.#world;
    for (const line of this.#lines.values())
      line.ready = line.ready.filter(({ isConfirmed }) => isConfirmed || random.next() < 0.5);
    const latest = this.#acknowledged.filter(({ at }) => at > time.now - 50 && random.next() < 0.3);
    this.#requeue(latest.map(({ message }) => message));
  }

  #requeue(messages: readonly Message[]): void {
    for (const message of messages) message.isRedelivered = true;
    for (const [queue, own] of Map.groupBy(messages, (message) => message.queue)) {
      this.#lines.get(queue)?.ready.unshift(...own);
      this.#pump(queue);
    }
  }

  #pump(queue: string): void {
    const line = this.#lines.get(queue);
    if (line === undefined) return;
    while (line.ready.length > 0) {
      const free = line.consumers.filter(({ unacknowledged, prefetch }) => unacknowledged < prefetch);
      const consumer = free[(line.turn += 1) % Math.max(1, free.length)];
      const message = line.ready[0];
      if (consumer === undefined || message === undefined) return;
      line.ready.shift();
      const { channel } = consumer;
      const deliveryTag = (channel.deliveryTag += 1);
      channel.out.set(deliveryTag, { message, consumer });
      consumer.unacknowledged += 1;
      const delivered = { ...message };
      channel.wire.answer(() => consumer.deliver(delivered, deliveryTag));
    }
  }
}
