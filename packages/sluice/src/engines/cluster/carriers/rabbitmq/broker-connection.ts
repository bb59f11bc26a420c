// One connection to RabbitMQ, to any of its nodes. It comes back by itself, on the next node, until it is disposed; what ran
// on it when it was lost is lost.
import { EventEmitter, once } from "node:events";
import { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { type Channel, type ChannelModel, type ConfirmChannel, connect } from "amqplib";
import { messageOf, SluiceError } from "../../../../core/errors.ts";
import { addressOf, nodesOf } from "../../../../core/server-url.ts";

export interface BrokerConnectionOptions {
  /** Of one node or several. */
  readonly url: string;
  /** Shown in RabbitMQ's list of connections. */
  readonly name: string;
  /** Told whenever the connection is up, down, blocked or free again. */
  readonly onChange: () => void;
}

/** A channel, and what RabbitMQ or the connection said when it came to its end. */
export interface OpenChannel<Kind extends Channel> {
  readonly channel: Kind;
  readonly closed: Promise<string>;
}

/** A server that is silent for three of these at the latest is taken for gone: within 30 seconds. */
const heartbeatSeconds = "9";
/** For each node. */
const connectMsMax = 5_000;
const retryMinMs = 100;
const retryMaxMs = 2_000;
const closeMsMax = 1_000;

export class BrokerConnection implements AsyncDisposable {
  readonly #options: BrokerConnectionOptions;
  readonly #events = new EventEmitter();
  readonly #closing = new AbortController();
  /** In an order of chance, so that many processes spread over them. */
  readonly #nodes: readonly string[];
  /** The node that is tried next, or that the connection leads to. */
  #at = 0;
  #model: ChannelModel | undefined;
  #reconnecting: Promise<void> | undefined;
  #downBecause: string | undefined;
  #blockedBecause: string | undefined;

  constructor(options: BrokerConnectionOptions) {
    this.#options = options;
    this.#nodes = shuffled(nodesOf(options.url));
    this.#events.setMaxListeners(0); // one for each that waits to open a channel
  }

  /** Undefined while it is up, and before the first connection. */
  get downBecause(): string | undefined {
    return this.#downBecause;
  }

  /** Why RabbitMQ takes nothing on this connection now; undefined when it does. */
  get blockedBecause(): string | undefined {
    return this.#blockedBecause;
  }

  /** The first connection, to the first node that can be reached; from then on it is kept up. */
  async connect(): Promise<void> {
    const { url } = this.#options;
    try {
      this.#hold(await this.#open());
    } catch (error) {
      throw new SluiceError("unreachable", `RabbitMQ at ${addressOf(url)} cannot be reached: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }

  /** As `connect`, but one that is not there is looked for until it is. */
  async connectPatiently(): Promise<void> {
    try {
      this.#hold(await this.#open());
    } catch (error) {
      this.#lose(reasonOf(error));
    }
  }

  /** Waits for the connection, and opens a channel on it. */
  async channel(signal: AbortSignal): Promise<OpenChannel<Channel>> {
    const model = await this.#up(signal);
    return this.#watched(model, await model.createChannel());
  }

  async confirmChannel(signal: AbortSignal): Promise<OpenChannel<ConfirmChannel>> {
    const model = await this.#up(signal);
    return this.#watched(model, await model.createConfirmChannel());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.race([this.#reconnecting, delay(closeMsMax, undefined, { ref: false })]);
    const model = this.#model;
    if (model === undefined) return;
    const closed = new Promise((resolve) => model.once("close", resolve));
    model.close().catch(() => undefined); // gone already
    await Promise.race([closed, delay(closeMsMax, undefined, { ref: false })]);
    drop(model);
  }

  async #up(signal: AbortSignal): Promise<ChannelModel> {
    if (this.#model === undefined) await once(this.#events, "up", { signal });
    signal.throwIfAborted();
    if (this.#model === undefined) throw this.#gone();
    return this.#model;
  }

  #watched<Kind extends Channel>(model: ChannelModel, channel: Kind): OpenChannel<Kind> {
    // A connection that was lost meanwhile has closed its channels already: nothing would tell.
    if (this.#model !== model) throw this.#gone();
    const { promise: closed, resolve } = Promise.withResolvers<string>();
    let reason: string | undefined;
    channel.on("error", (error) => {
      reason ??= messageOf(error);
    });
    channel.on("handler-error", (thrown) => {
      reason ??= messageOf(thrown);
      channel.close().catch(() => undefined); // it is closing already
    });
    channel.on("close", () => resolve(reason ?? this.#downBecause ?? "closed"));
    return { channel, closed };
  }

  #gone(): SluiceError {
    return new SluiceError("unreachable", `RabbitMQ is gone: ${this.#downBecause ?? "closed"}`);
  }

  /** Tries each node once. Rejects with what the last one said. */
  async #open(): Promise<ChannelModel> {
    let failure = new Error("closed");
    for (let tries = 0; tries < this.#nodes.length && !this.#closing.signal.aborted; tries += 1) {
      try {
        return await openNode(this.#nodes[this.#at] as string, this.#options.name);
      } catch (error) {
        failure = new Error(reasonOf(error), { cause: error });
        this.#leaveNode();
      }
    }
    throw failure;
  }

  #leaveNode(): void {
    this.#at = (this.#at + 1) % this.#nodes.length;
  }

  #hold(model: ChannelModel): void {
    let reason: string | undefined;
    model.on("error", (error) => {
      reason ??= reasonOf(error);
    });
    model.on("handler-error", (error) => {
      reason ??= messageOf(error);
    });
    model.on("blocked", (why) => this.#block(why));
    model.on("unblocked", () => this.#block(undefined));
    model.on("close", (error) => {
      drop(model);
      this.#leaveNode();
      this.#lose(reason ?? (error === undefined ? "closed" : reasonOf(error)));
    });
    this.#model = model;
    if (this.#closing.signal.aborted) return drop(model);
    this.#downBecause = undefined;
    this.#options.onChange();
    this.#events.emit("up");
  }

  #block(why: string | undefined): void {
    this.#blockedBecause = why;
    this.#options.onChange();
  }

  #lose(reason: string): void {
    this.#model = undefined;
    this.#blockedBecause = undefined;
    this.#downBecause = reason;
    if (this.#closing.signal.aborted) return;
    this.#options.onChange();
    this.#reconnecting = this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#closing;
    for (let waitMs = retryMinMs; !signal.aborted; waitMs = Math.min(waitMs * 2, retryMaxMs)) {
      await delay(waitMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined); // told by the signal
      if (signal.aborted) return;
      try {
        return this.#hold(await this.#open());
      } catch (error) {
        this.#downBecause = reasonOf(error);
        this.#options.onChange();
      }
    }
  }
}

async function openNode(url: string, name: string): Promise<ChannelModel> {
  const target = new URL(url);
  if (!target.searchParams.has("heartbeat")) target.searchParams.set("heartbeat", heartbeatSeconds);
  const model = await connect(target.href, {
    timeout: connectMsMax,
    noDelay: true,
    keepAlive: true,
    clientProperties: { connection_name: name },
  });
  // Closed in the same breath in which it was opened: its last word was said before anyone could listen.
  if (streamOf(model)?.writableEnded) throw new Error("closed by RabbitMQ as soon as it was open");
  return model;
}

function shuffled<Value>(values: readonly Value[]): readonly Value[] {
  const drawn = values.map((value) => ({ value, at: Math.random() }));
  return drawn.toSorted((left, right) => left.at - right.at).map(({ value }) => value);
}

/** Ends the socket, which a peer that is silent would keep open; what the connection still holds is given up. */
export function drop(model: ChannelModel): void {
  streamOf(model)?.destroy(new Error("closed"));
}

function streamOf({ connection }: ChannelModel): Duplex | undefined {
  return "stream" in connection && connection.stream instanceof Duplex ? connection.stream : undefined;
}

/** A refused connection to a name with several addresses has one error for each, and no message of its own. */
function reasonOf(error: unknown): string {
  return error instanceof AggregateError ? messageOf(error.errors[0]) : messageOf(error);
}
