// RabbitMQ as the cluster engine sees it: what carries hints, and may lose them. It owns two connections, as one that
// publishes too much is blocked, and acknowledgements must go on then.
import type { Channel, Replies } from "amqplib";
import { messageOf, SluiceError } from "../../../../core/errors.ts";
import { addressOf } from "../../../../core/server-url.ts";
import type { Logger } from "../../../../telemetry/log.ts";
import { BrokerConnection } from "./broker-connection.ts";
import type { ConsumeOptions, Consumption } from "../carrier.ts";
import { consume } from "./consumer.ts";
import type { Outages } from "../../outages.ts";
import { Publisher } from "./publisher.ts";
import { type HintQueues, hintQueues, queueArguments } from "./topology.ts";

export interface BrokerOptions {
  /** `amqp://user:password@host:5672/vhost`, of one node or several; `?heartbeat=` sets another one than 9 seconds. */
  readonly url: string;
  readonly name: string;
  readonly prefix: string;
  readonly outages: Outages;
  readonly log: Logger;
}

/** A quorum queue that has no majority now says 0 of both. */
export interface LineDepth {
  readonly ready: number;
  readonly consumers: number;
}

export type Depth = Readonly<Record<keyof HintQueues, LineDepth | "missing">>;

/** A queue without a leader can hold an answer back for a minute. */
const answerMsMax = 15_000;

export class Broker implements AsyncDisposable {
  readonly publisher: Publisher;
  readonly #options: BrokerOptions;
  readonly #address: string;
  readonly #publishing: BrokerConnection;
  readonly #consuming: BrokerConnection;
  readonly #consumptions = new Set<Consumption>();
  readonly #closing = new AbortController();

  constructor(options: BrokerOptions) {
    const { url, name, prefix } = options;
    const onChange = (): void => this.#tell();
    this.#options = options;
    this.#address = addressOf(url);
    this.#publishing = new BrokerConnection({ url, name: `${name} publishing`, onChange });
    this.#consuming = new BrokerConnection({ url, name: `${name} consuming`, onChange });
    this.publisher = new Publisher(this.#publishing, prefix, onChange);
  }

  /** Whether hints come from it now. */
  get isUp(): boolean {
    return this.#consuming.downBecause === undefined;
  }

  /** Rejects as `unreachable` when RabbitMQ is not there, and is closed then; otherwise it is kept up from here on. */
  async connect(): Promise<void> {
    try {
      await Promise.all([this.#publishing.connect(), this.#consuming.connect()]);
      await this.publisher.open();
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** As `connect`, but a RabbitMQ that is out is looked for until it is there. Whether it is there now. */
  async connectPatiently(): Promise<boolean> {
    await Promise.all([this.#publishing.connectPatiently(), this.#consuming.connectPatiently()]);
    const opening = this.publisher.openPatiently();
    if (this.#publishing.downBecause !== undefined || this.#consuming.downBecause !== undefined) return false;
    await opening;
    return true;
  }

  /** Makes what is missing of a queue's two lines; one of another kind than needed is an error. */
  async declare(queue: string): Promise<"declared" | "present"> {
    const missing = await this.#missing(queue);
    for (const line of linesOf(this.#options.prefix, queue)) await this.#assert(line);
    return missing.length > 0 ? "declared" : "present";
  }

  /** Whether both lines are there; one of another kind than needed is an error, as RabbitMQ cannot change it. */
  async verify(queue: string): Promise<"present" | "missing"> {
    const missing = await this.#missing(queue);
    const present = linesOf(this.#options.prefix, queue).filter((line) => !missing.includes(line));
    for (const line of present) await this.#assert(line);
    return missing.length > 0 ? "missing" : "present";
  }

  async depth(queue: string): Promise<Depth> {
    const { fresh, again } = hintQueues(this.#options.prefix, queue);
    const [ofFresh, ofAgain] = await Promise.all([this.#look(fresh), this.#look(again)]);
    return { fresh: depthOf(ofFresh), again: depthOf(ofAgain) };
  }

  /** Deletes both lines with what is in them. */
  async remove(queue: string): Promise<void> {
    for (const line of linesOf(this.#options.prefix, queue)) {
      await this.#ask(line, (channel) => channel.deleteQueue(line));
    }
  }

  consume(options: ConsumeOptions): Consumption {
    const { prefix, log } = this.#options;
    const consumption = consume({ ...options, connection: this.#consuming, prefix, log });
    this.#consumptions.add(consumption);
    return {
      stop: async () => {
        await consumption.stop();
        this.#consumptions.delete(consumption);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#consumptions].map((consumption) => consumption.stop()));
    const parts = [this.publisher, this.#publishing, this.#consuming];
    await Promise.all(parts.map((part) => part[Symbol.asyncDispose]()));
  }

  async #missing(queue: string): Promise<readonly string[]> {
    const lines = linesOf(this.#options.prefix, queue);
    const found = await Promise.all(lines.map((line) => this.#look(line)));
    return lines.filter((_line, index) => found[index] === undefined);
  }

  /** Undefined when there is no such queue. */
  async #look(line: string): Promise<Replies.AssertQueue | undefined> {
    return this.#ask(line, async (channel) => {
      try {
        return await channel.checkQueue(line);
      } catch (error) {
        if (codeOf(error) === 404) return undefined;
        throw error;
      }
    });
  }

  async #assert(line: string): Promise<void> {
    await this.#ask(line, (channel) => channel.assertQueue(line, { durable: true, arguments: queueArguments }));
  }

  /** On a channel of its own, which a refusal closes, and on the connection that is never blocked. */
  async #ask<Value>(line: string, ask: (channel: Channel) => Promise<Value>): Promise<Value> {
    const { downBecause } = this.#consuming;
    if (downBecause !== undefined) throw this.#unreachable(downBecause);
    let channel: Channel | undefined;
    try {
      ({ channel } = await this.#consuming.channel(this.#closing.signal));
      return await answered(ask(channel));
    } catch (error) {
      if (codeOf(error) === undefined) throw this.#unreachable(messageOf(error), error);
      throw new SluiceError("wrong-queue", `RabbitMQ refused the queue ${line}: ${messageOf(error)}`, { cause: error });
    } finally {
      channel?.close().catch(() => undefined); // closed by the refusal
    }
  }

  #unreachable(why: string, cause?: unknown): SluiceError {
    return new SluiceError("unreachable", `RabbitMQ at ${this.#address} cannot be reached: ${why}`, { cause });
  }

  #tell(): void {
    const { outages } = this.#options;
    const down = [this.#publishing, this.#consuming].find(({ downBecause }) => downBecause !== undefined);
    if (down === undefined) outages.end("broker-unavailable");
    else outages.begin("broker-unavailable", `RabbitMQ at ${this.#address} cannot be reached: ${down.downBecause}`);
    const why = this.#publishing.blockedBecause ?? this.publisher.stuckBecause;
    if (why === undefined) outages.end("broker-blocked");
    else outages.begin("broker-blocked", `RabbitMQ at ${this.#address} takes nothing now: ${why}`);
  }
}

function linesOf(prefix: string, queue: string): readonly string[] {
  const { fresh, again } = hintQueues(prefix, queue);
  return [fresh, again];
}

function depthOf(found: Replies.AssertQueue | undefined): LineDepth | "missing" {
  return found === undefined ? "missing" : { ready: found.messageCount, consumers: found.consumerCount };
}

/** What RabbitMQ closed a channel with; undefined when it was not RabbitMQ. */
function codeOf(error: unknown): number | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : undefined;
}

async function answered<Value>(answer: Promise<Value>): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${answerMsMax} ms`)), answerMsMax);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
