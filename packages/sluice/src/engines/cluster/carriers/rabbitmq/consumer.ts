// Takes the hints of one queue from RabbitMQ, as long as it is not stopped: a channel that is lost is opened again, and
// RabbitMQ hands out again what was not acknowledged on it.
import { setTimeout as delay } from "node:timers/promises";
import type { ConsumeMessage } from "amqplib";
import { messageOf } from "../../../../core/errors.ts";
import { parseRequestId, type RequestId } from "../../../../core/request-id.ts";
import type { Logger } from "../../../../telemetry/log.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import type { BrokerConnection } from "./broker-connection.ts";
import type { ConsumeOptions, Consumption, HintKind } from "../carrier.ts";
import { hintQueues } from "./topology.ts";

export interface ConsumerOptions extends ConsumeOptions {
  readonly connection: BrokerConnection;
  readonly prefix: string;
  readonly log: Logger;
}

const retryMinMs = 200;
const retryMaxMs = 1_000;
const closeMsMax = 2_000;

export function consume(options: ConsumerOptions): Consumption {
  const consumer = new Consumer(options);
  return { stop: () => consumer.stop() };
}

class Consumer {
  readonly #options: ConsumerOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #close: (() => void) | undefined;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#close?.();
    await Promise.race([this.#running, delay(closeMsMax, undefined, { ref: false })]);
  }

  async #run(): Promise<void> {
    const { queue, log } = this.#options;
    const { signal } = this.#stopping;
    let waitMs = retryMinMs;
    let isTold = false;
    while (!signal.aborted) {
      try {
        const reason = await this.#consumeOnce(() => {
          waitMs = retryMinMs;
          isTold = false;
        });
        log.debug({ queue, reason }, "the channel that hints come by is gone");
      } catch (error) {
        if (signal.aborted) return;
        if (!isTold) log.warn({ queue, err: messageOf(error) }, "cannot take hints from RabbitMQ now");
        isTold = true;
      }
      await delay(waitMs, undefined, { signal }).catch(() => undefined); // told by the signal
      waitMs = Math.min(waitMs * 2, retryMaxMs);
    }
  }

  /** Resolves, with the reason, when the channel is gone. */
  async #consumeOnce(onConsuming: () => void): Promise<string> {
    const { connection, prefix, queue, prefetch, onLost } = this.#options;
    const { channel, closed } = await connection.channel(this.#stopping.signal);
    const acknowledgements = new Acknowledgements(channel);
    const onChannel: OnChannel = { acknowledgements, fresh: new Set() };
    const close = (): void => {
      acknowledgements.close();
      channel.close().catch(() => undefined); // closed already
    };
    this.#close = close;
    try {
      if (this.#stopping.signal.aborted) return "stopped";
      await channel.prefetch(prefetch);
      const { fresh, again } = hintQueues(prefix, queue);
      for (const line of [again, fresh]) {
        await channel.consume(line, (message) => {
          if (message === null) return close(); // RabbitMQ has cancelled it: the queue is gone or moves
          this.#take(message, onChannel);
        });
      }
      onConsuming();
      return await closed;
    } finally {
      close();
      if (!this.#stopping.signal.aborted) onLost();
      await closed;
    }
  }

  #take(message: ConsumeMessage, { acknowledgements, fresh }: OnChannel): void {
    const { queue, prefetch, onHints, log } = this.#options;
    const acknowledge = acknowledgements.expect(message);
    const kind = kindOf(message);
    const ids = idsOf(message);
    if (kind === undefined || ids === undefined) {
      log.error({ queue, type: kind, bytes: message.content.length }, "dropped a message of RabbitMQ that is no hint");
      return acknowledge();
    }
    if (kind !== "fresh") return onHints({ carrier: "rabbitmq", kind, ids, isLast: false, done: acknowledge });
    const { fields } = message;
    fresh.add(fields.deliveryTag);
    const done = (): void => {
      fresh.delete(fields.deliveryTag);
      acknowledge();
    };
    onHints({ carrier: "rabbitmq", kind, ids, isLast: fresh.size >= prefetch, done });
  }
}

interface OnChannel {
  readonly acknowledgements: Acknowledgements;
  /** Messages with fresh hints that are not done. */
  readonly fresh: Set<number>;
}

function kindOf({ properties: { type } }: ConsumeMessage): HintKind | undefined {
  return type === "fresh" || type === "again" || type === "suspect" ? type : undefined;
}

function idsOf({ content }: ConsumeMessage): readonly RequestId[] | undefined {
  const ids: RequestId[] = [];
  for (const line of content.toString("latin1").split("\n")) {
    const id = parseRequestId(line);
    if (id === undefined) return undefined;
    ids.push(id);
  }
  return ids;
}
