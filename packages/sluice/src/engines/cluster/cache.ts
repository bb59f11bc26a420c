// Redis as the cluster engine sees it: fast, and free to forget or to be gone. Nothing here fails because of it. The
// connections heal themselves: one that is silent is given up for a new one.
import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "redis";
import { messageOf } from "../../core/errors.ts";
import { addressOf } from "../../core/server-url.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Outages } from "./outages.ts";

export interface CacheOptions {
  /** `redis://:password@host:6379/0` */
  readonly url: string;
  /** Begins every name on Redis. */
  readonly prefix: string;
  readonly outages: Outages;
  readonly log: Logger;
}

export type CacheClient = ReturnType<typeof clientOf>;

const connectMsMax = 2_000;
const retryMinMs = 100;
const retryMaxMs = 2_000;
/** An answer that takes longer is of no use any more. */
const answerMsMax = 200;
/** A connection without a sign of life between two checks is given up. */
const checkMs = 3_000;
const unansweredMax = 10_000;

export class Cache implements AsyncDisposable {
  readonly prefix: string;
  readonly #options: CacheOptions;
  readonly #address: string;
  readonly #calling: CacheLink;
  #subscribing: CacheLink | undefined;

  constructor(options: CacheOptions) {
    this.prefix = options.prefix;
    this.#options = options;
    this.#address = addressOf(options.url);
    this.#calling = this.#link();
  }

  /** The first connection. Without Redis the outage begins, and ends when it is there. */
  async connect(): Promise<void> {
    await this.#calling.open();
  }

  /** Undefined when Redis is out, takes longer than 200 ms, or refuses. */
  async call<Value>(send: (client: CacheClient) => Promise<Value>): Promise<Value | undefined> {
    const client = this.#calling.client;
    if (client === undefined) return undefined;
    const { promise: late, resolve: giveUp } = Promise.withResolvers<"late">();
    // An answer that came while this process was busy is read before the second step.
    const timer = setTimeout(() => setImmediate(giveUp, "late"), answerMsMax);
    try {
      const first = await Promise.race([send(client).then((value) => ({ value })), late]);
      if (first !== "late") {
        this.#calling.succeed(client);
        return first.value;
      }
      this.#calling.slow(client);
    } catch (error) {
      this.#options.log.debug({ err: messageOf(error) }, "Redis did not do what it was asked");
      this.#calling.fail(client, error);
    } finally {
      clearTimeout(timer);
    }
    return undefined;
  }

  /** Calls back with each message of a channel, on a connection of its own. What is sent while it is out is missed. */
  async subscribe(channel: string, onMessage: (message: string) => void): Promise<void> {
    this.#subscribing ??= this.#link();
    await this.#subscribing.subscribe(channel, onMessage);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#calling.close();
    this.#subscribing?.close();
  }

  #link(): CacheLink {
    return new CacheLink(this.#options.url, () => this.#tell());
  }

  #tell(): void {
    const { outages } = this.#options;
    const down = [this.#calling, this.#subscribing].find((link) => link?.downBecause !== undefined);
    if (down === undefined) outages.end("cache-unavailable");
    else outages.begin("cache-unavailable", `Redis at ${this.#address} cannot be used now: ${down.downBecause}`);
  }
}

class CacheLink {
  readonly #url: string;
  readonly #onChange: () => void;
  readonly #listeners = new Map<string, (message: string) => void>();
  #client: CacheClient | undefined;
  #checks: NodeJS.Timeout | undefined;
  #opening: Promise<void> | undefined;
  /** Whether it gave a sign of life since the last check. */
  #isAlive = false;
  #isSlow = false;
  #downBecause: string | undefined;

  constructor(url: string, onChange: () => void) {
    this.#url = url;
    this.#onChange = onChange;
  }

  /** Undefined while it cannot be used. */
  get client(): CacheClient | undefined {
    return this.#client?.isReady === true && !this.#isSlow ? this.#client : undefined;
  }

  /** Undefined before the first try, and since it worked last. */
  get downBecause(): string | undefined {
    return this.#downBecause;
  }

  /** Resolves once it is connected, or could not be at the first try. */
  open(): Promise<void> {
    this.#checks ??= setInterval(() => setImmediate(() => this.#check()), checkMs);
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<void> {
    const client = clientOf(this.#url);
    await Promise.race([this.#replaceBy(client), delay(connectMsMax, undefined, { ref: false })]);
    if (!client.isReady && this.#downBecause === undefined) this.fail(client, new Error("no answer"));
  }

  async subscribe(channel: string, onMessage: (message: string) => void): Promise<void> {
    this.#listeners.set(channel, onMessage);
    await this.open();
    if (this.#client?.isReady === true) await this.#resubscribe(this.#client);
  }

  /** Out of use until it answers again. */
  slow(client: CacheClient): void {
    if (this.#client !== client || this.#isSlow) return;
    this.#isSlow = true;
    this.fail(client, new Error(`no answer within ${answerMsMax} ms`));
    this.#ping(client);
  }

  succeed(client: CacheClient): void {
    if (this.#client !== client) return;
    this.#isAlive = true;
    if (this.#downBecause === undefined) return;
    this.#isSlow = false;
    this.#downBecause = undefined;
    this.#onChange();
  }

  fail(client: CacheClient, error: unknown): void {
    if (this.#client !== client) return;
    this.#downBecause = messageOf(error);
    this.#onChange();
  }

  close(): void {
    clearInterval(this.#checks);
    const client = this.#client;
    this.#client = undefined;
    client?.destroy();
  }

  #ping(client: CacheClient): void {
    client.ping().then(
      () => this.succeed(client),
      (error: unknown) => this.fail(client, error),
    );
  }

  #check(): void {
    const client = this.#client;
    if (client === undefined) return;
    if (!this.#isAlive) return void this.#replaceBy(clientOf(this.#url));
    this.#isAlive = false;
    if (client.isReady) this.#ping(client);
  }

  /** Resolves when the first try is over. */
  #replaceBy(client: CacheClient): Promise<void> {
    const { promise: tried, resolve } = Promise.withResolvers<void>();
    client.on("error", (error) => {
      if (this.#client === client) this.#isAlive = true;
      this.fail(client, error);
      resolve();
    });
    client.on("ready", () => {
      this.succeed(client);
      void this.#resubscribe(client);
      resolve();
    });
    this.#client?.destroy();
    this.#client = client;
    this.#isAlive = true; // for as long as the first try may take
    client.connect().catch((error: unknown) => this.fail(client, error));
    return tried;
  }

  /** What the client is subscribed to already it leaves alone. */
  async #resubscribe(client: CacheClient): Promise<void> {
    try {
      for (const [channel, listener] of this.#listeners) await client.subscribe(channel, listener);
    } catch (error) {
      this.fail(client, error);
    }
  }
}

function clientOf(url: string) {
  return createClient({
    url,
    socket: { connectTimeout: connectMsMax, reconnectStrategy: retryMs },
    disableOfflineQueue: true,
    commandsQueueMaxLength: unansweredMax,
    commandOptions: { timeout: 0 }, // a timer for each command, where call() has its own
    maintNotifications: "disabled",
  });
}

function retryMs(retries: number): number {
  return Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(retries, 10)) * (0.5 + Math.random() / 2);
}
