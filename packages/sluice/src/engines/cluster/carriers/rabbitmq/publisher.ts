// Puts hints into RabbitMQ's queues. A hint is there once RabbitMQ said so, and did not send it back before.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { ConfirmChannel, Message } from "amqplib";
import type { RequestId } from "../../../../core/request-id.ts";
import { crashPoint } from "../../../../engine/crash-point.ts";
import type { BrokerConnection, OpenChannel } from "./broker-connection.ts";
import type { HintKind } from "../carrier.ts";
import { hintQueues } from "./topology.ts";

export interface Published {
  readonly queue: string;
  readonly kind: HintKind;
  readonly ids: readonly RequestId[];
}

interface Unconfirmed {
  readonly sentAtTick: number;
  isReturned: boolean;
  readonly resolve: (isPublished: boolean) => void;
}

/** What may be under way at a time. */
const unconfirmedMax = 5_000;
const tickMs = 1_000;
const ticksMax = 30;
const unanswered =
  `it has not confirmed what it took ${(ticksMax * tickMs) / 1_000} s ago; quorum queues that met a full disk stand ` +
  "still until RabbitMQ is restarted";
const reopenMs = 200;

export class Publisher implements AsyncDisposable {
  readonly #connection: BrokerConnection;
  readonly #prefix: string;
  readonly #closing = new AbortController();
  /** By message id, the oldest first. All of it is on the channel that is open. */
  readonly #unconfirmed = new Map<string, Unconfirmed>();
  readonly #run = randomBytes(6).toString("hex");
  #channel: ConfirmChannel | undefined;
  #keeping: Promise<void> | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #tick = 0;
  #sent = 0;
  #isUnanswered = false;
  /** Whether RabbitMQ refused a hint on the channel that is open. */
  #isRefused = false;
  readonly #onChange: () => void;

  /** `onChange` is told whenever `stuckBecause` changes. */
  constructor(connection: BrokerConnection, prefix: string, onChange: () => void) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#onChange = onChange;
  }

  /** Why nothing can be published though RabbitMQ takes it; undefined when it confirms what it takes. */
  get stuckBecause(): string | undefined {
    return this.#isUnanswered ? unanswered : undefined;
  }

  /** Whether RabbitMQ can be asked to take anything now. */
  get isOpen(): boolean {
    return this.#channel !== undefined && this.#connection.blockedBecause === undefined;
  }

  /** Resolves once something can be published; from then on the channel is kept open. */
  async open(): Promise<void> {
    const { closed } = await this.#open();
    this.#keepOpen(closed);
  }

  /** As `open`, but a channel that is lost while it is opened is opened again. Never rejects. */
  async openPatiently(): Promise<void> {
    try {
      await this.open();
    } catch {
      if (!this.#closing.signal.aborted) this.#keepOpen(Promise.resolve("lost"));
    }
  }

  /** Whether RabbitMQ has the hint for certain. Never rejects: a hint that is not there is published again. */
  publish({ queue, kind, ids }: Published): Promise<boolean> {
    const channel = this.#channel;
    if (channel === undefined || !this.isOpen || this.#unconfirmed.size >= unconfirmedMax)
      return Promise.resolve(false);
    const { fresh, again } = hintQueues(this.#prefix, queue);
    const routingKey = kind === "fresh" ? fresh : again;
    this.#sent += 1;
    const messageId = `${this.#run}-${this.#sent}`;
    const options = { persistent: true, mandatory: true, contentType: "text/plain", type: kind, messageId };
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#unconfirmed.set(messageId, { sentAtTick: this.#tick, isReturned: false, resolve });
    try {
      channel.publish("", routingKey, Buffer.from(ids.join("\n")), options, (error: unknown) => {
        if (error === null) crashPoint("confirmed");
        else if (channel === this.#channel) this.#isRefused = true;
        this.#settle(messageId, error === null);
      });
      // The client writes to the socket when this turn of the event loop is over.
      setImmediate(() => setImmediate(crashPoint, "published"));
    } catch {
      this.#settle(messageId, false); // the channel is closing
    }
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#ticker);
    this.#abandon();
    await this.#keeping;
  }

  #keepOpen(closed: Promise<string>): void {
    this.#ticker = setInterval(() => this.#passTick(), tickMs);
    this.#keeping = this.#keep(closed);
  }

  async #keep(firstClosed: Promise<string>): Promise<void> {
    const { signal } = this.#closing;
    const stopped = once(signal, "abort");
    let closed: Promise<unknown> = firstClosed;
    while (!signal.aborted) {
      await Promise.race([closed, stopped]);
      await delay(reopenMs, undefined, { signal }).catch(() => undefined); // told by the signal
      try {
        ({ closed } = await this.#open());
      } catch {
        closed = Promise.resolve(); // lost again: the next round waits for the connection
      }
    }
  }

  async #open(): Promise<OpenChannel<ConfirmChannel>> {
    const opened = await this.#connection.confirmChannel(this.#closing.signal);
    const { channel } = opened;
    channel.on("return", ({ properties }: Message) => {
      const returned = this.#unconfirmed.get(String(properties.messageId));
      if (returned !== undefined) returned.isReturned = true; // its confirm comes all the same, after this
    });
    channel.on("close", () => this.#abandon(channel));
    this.#channel = channel;
    this.#isRefused = false;
    return opened;
  }

  #settle(messageId: string, isConfirmed: boolean): void {
    const hint = this.#unconfirmed.get(messageId);
    if (hint === undefined) return;
    this.#unconfirmed.delete(messageId);
    if (isConfirmed) this.#answer(true);
    hint.resolve(isConfirmed && !hint.isReturned);
  }

  /**
   * A confirm that is this late may never come: the channel is given up, with what is under way on it. So is one on which a
   * hint was refused: a channel that was opened before a quorum queue had its new leader asks the dead one for ever.
   */
  #passTick(): void {
    this.#tick += 1;
    if (this.#isRefused) return this.#abandon();
    const [oldest] = this.#unconfirmed.values();
    if (oldest === undefined || this.#tick - oldest.sentAtTick <= ticksMax) return;
    this.#abandon();
    this.#answer(false);
  }

  #answer(isAnswered: boolean): void {
    if (this.#isUnanswered !== isAnswered) return;
    this.#isUnanswered = !isAnswered;
    this.#onChange();
  }

  #abandon(channel = this.#channel): void {
    if (channel === undefined || channel !== this.#channel) return;
    this.#channel = undefined;
    for (const messageId of this.#unconfirmed.keys()) this.#settle(messageId, false);
    channel.close().catch(() => undefined); // closed already
  }
}
